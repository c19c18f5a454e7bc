use super::*;
use crate::archive::tests::{tgz_of, zip_of};
#[cfg(unix)]
use crate::hub::tests::{COMMIT, Server};

const NO_SHA: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn sha(bytes: &[u8]) -> String {
    let mut hasher = digest::Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// A cache that holds the archive already, as a finished download leaves it.
fn cached(bytes: &[u8]) -> (tempfile::TempDir, Cache, Package) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let package = Package::npm("@scope/thing", "1.2.3", &sha(bytes));
    let entry = dir.path().join(package.entry().unwrap());
    std::fs::create_dir_all(&entry).unwrap();
    std::fs::write(entry.join("archive"), bytes).unwrap();
    (dir, cache, package)
}

#[test]
fn files_of_a_cached_archive_need_no_client() {
    for bytes in [zip_of(&[("a/b.txt", b"hello")]), tgz_of(&[("a/b.txt", b"hello")])] {
        let (_dir, cache, package) = cached(&bytes);
        let file = package.file_in(&cache, "a/b.txt", Progress::Quiet).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"hello");
        let all = package.unpack_in(&cache, Progress::Quiet).unwrap();
        assert_eq!(std::fs::read(all.join("a/b.txt")).unwrap(), b"hello");
        package.discard_archive(&cache).unwrap();
        package.discard_archive(&cache).unwrap();
        assert_eq!(package.file_in(&cache, "a/b.txt", Progress::Quiet).unwrap(), file);
        assert_eq!(package.unpack_in(&cache, Progress::Quiet).unwrap(), all);
    }
}

#[test]
fn a_refused_archive_leaves_nothing_unpacked() {
    let (dir, cache, package) = cached(&tgz_of(&[("fine", b"1"), ("../evil", b"2")]));
    assert!(package.unpack_in(&cache, Progress::Quiet).is_err());
    let entry = dir.path().join(package.entry().unwrap());
    let left: Vec<_> = std::fs::read_dir(entry).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|n| n == "archive" || n == ".lock"), "{left:?}");
    assert!(package.file_in(&cache, "../evil", Progress::Quiet).is_err());
}

#[test]
fn names_that_are_not_names_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let bad = [
        Package::pypi("--index-url", "1", NO_SHA),
        Package::pypi("a/b", "1", NO_SHA),
        Package::pypi("a", "1 --hash=x", NO_SHA),
        Package::pypi("a", "../1", NO_SHA),
        Package::pypi("a", "1", "abc"),
        Package::npm("@a/../b", "1", NO_SHA),
        Package::npm("git+ssh", "1", NO_SHA),
        Package::npm("", "1", NO_SHA),
    ];
    for package in bad {
        let error = package.archive_in(&cache, Progress::Quiet).unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_client_says_what_to_install() {
    let dir = tempfile::tempdir().unwrap();
    const NONE: &[client::Way] = &[&["quintet-no-such-program"], &["false"]];
    let clients = Clients { pip: NONE, npm: NONE };
    for (package, advice) in [
        (Package::pypi("a", "1", NO_SHA), "install Python 3 with pip"),
        (Package::npm("a", "1", NO_SHA), "install Node.js with npm"),
    ] {
        let text = package
            .archive_by(&Cache::at(dir.path()), &clients, Progress::Quiet)
            .unwrap_err()
            .to_string();
        assert!(text.contains(advice), "{text}");
    }
}

/// Stands in for `npm`: the shell runs `script` with `$out` set to the destination folder.
#[cfg(unix)]
fn shell(script: &str) -> Clients {
    let script = format!(
        "[ \"$0\" = --version ] && exit 0; \
         while [ \"$1\" != --pack-destination ]; do shift; done; out=$2; {script}"
    );
    let way: client::Way = Box::leak(Box::new(["sh", "-c", Box::leak(script.into_boxed_str())]));
    Clients { pip: &[], npm: Box::leak(Box::new([way])) }
}

#[test]
#[cfg(unix)]
fn only_a_whole_and_right_archive_is_kept() {
    let good = tgz_of(&[("package/index.js", b"1")]);
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("good.tgz");
    std::fs::write(&source, &good).unwrap();
    let source = source.display();
    let package = Package::npm("thing", "1.0.0", &sha(&good));
    let cache = Cache::at(dir.path().join("cache"));
    let entry = cache.root().join(package.entry().unwrap());
    let get = |script: &str| package.archive_by(&cache, &shell(script), Progress::Quiet);

    let error = get(&format!("head -c 20 {source} > $out/a.tgz; echo no route; exit 7"));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("exit status: 7") && text.contains("no route"), "{text}");
    let error = get(&format!("head -c 20 {source} > $out/a.tgz")).unwrap_err();
    assert!(matches!(error, Error::Sha256 { .. }), "{error}");
    let error = get(&format!("head -c 20 {source} > $out/a.tgz; kill -9 $$")).unwrap_err();
    assert!(matches!(error, Error::Client { .. }), "{error}");
    assert!(get("true").is_err(), "a client that leaves no archive");
    assert!(!entry.join("archive").exists());

    let left = entry.join(".unfinished-abc");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("half.tgz"), &good[..20]).unwrap();
    let archive = get(&format!("cp {source} $out/a.tgz")).unwrap();
    assert_eq!(std::fs::read(&archive).unwrap(), good);
    assert!(!left.exists());
    assert_eq!(get("exit 1").unwrap(), archive, "a kept archive needs no client");
}

/// Stands in for both clients: `begin` is run where the download arrives, with `$log` set to pip's.
#[cfg(unix)]
fn beginners(address: &str, begin: &str) -> Clients {
    let leak = |script: String| -> &'static [client::Way] {
        let way: client::Way =
            Box::leak(Box::new(["sh", "-c", Box::leak(script.into_boxed_str())]));
        Box::leak(Box::new([way]))
    };
    let option = |name: &str| format!("while [ \"$1\" != {name} ]; do shift; done;");
    Clients {
        pip: leak(format!(
            "[ \"$0\" = --version ] && exit 0; {} out=$2; {} log=$2; mkdir $TMPDIR/pip-1; \
             cd $TMPDIR/pip-1; echo 'today Found link {address} (from there)' >$log; {begin}",
            option("--dest"),
            option("--log"),
        )),
        npm: leak(format!(
            "[ \"$0\" = --version ] && exit 0; [ \"$0\" = view ] && echo {address} && exit 0; \
             {} out=$2; {} mkdir -p $2/_cacache/tmp; cd $2/_cacache/tmp; {begin}",
            option("--pack-destination"),
            option("--cache"),
        )),
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let noise: Vec<u8> =
        (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let good = tgz_of(&[("package/noise", &noise)]);
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("good.tgz");
    std::fs::write(&source, &good).unwrap();
    let source = source.display();
    let of = |registry: fn(&str, &str, &str) -> Package| Package {
        size: Some(good.len() as u64),
        ..registry("thing", "1.0.0", &sha(&good))
    };
    for (case, package) in [of(Package::npm), of(Package::pypi)].into_iter().enumerate() {
        let server = Server::start(&[("a-1.tgz", &good)]);
        let address = format!("{}/owner/name/resolve/{COMMIT}/a-1.tgz", server.endpoint);
        let cache = Cache::at(dir.path().join(format!("cache-{case}")));
        let entry = cache.root().join(package.entry().unwrap());
        let get = |begin: &str| {
            let _ = std::fs::remove_file(entry.join("archive"));
            package.archive_by(&cache, &beginners(&address, begin), Progress::Quiet)
        };
        let asked = || std::mem::take(&mut server.state.lock().unwrap().asked);
        // Clients remove what they have when they are interrupted.
        let interrupted = format!("head -c 1000 {source} >a-1.tgz; sleep 0.5; rm a-1.tgz; exit 7");
        let whole = format!("cp {source} $out/a-1.tgz");

        assert!(matches!(get(&interrupted), Err(Error::Client { .. })));
        let archive = get("exit 8").unwrap();
        assert_eq!(std::fs::read(&archive).unwrap(), good);
        assert_eq!(asked(), [("a-1.tgz".to_owned(), Some(1000))]);
        assert!(!entry.join("begun").exists());

        // Other bytes than the archive's, or nobody who has them: the client begins anew.
        let other = "head -c 1000 /dev/zero >a-1.tgz; sleep 0.5; exit 7";
        assert!(matches!(get(other), Err(Error::Client { .. })));
        assert_eq!(std::fs::read(get(&whole).unwrap()).unwrap(), good);
        assert_eq!(asked(), [("a-1.tgz".to_owned(), Some(1000))]);
        assert!(matches!(get(&interrupted), Err(Error::Client { .. })));
        server.state.lock().unwrap().refusals = vec![403];
        assert_eq!(std::fs::read(get(&whole).unwrap()).unwrap(), good);
        assert_eq!(asked(), []);
    }
}

/// Needs the network and both clients: `QUINTET_PACKAGES=1 cargo test --release -p quintet-hub`.
#[test]
fn packages_come_from_the_registries() {
    if std::env::var_os("QUINTET_PACKAGES").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let npm = Package::npm(
        "is-number",
        "7.0.0",
        "7b75c1057198cf97696909a9bee176c9c5e9bcb5b03bf3ecef2f484defadd51e",
    );
    let file = npm.file_in(&cache, "package/package.json", Progress::Quiet).unwrap();
    assert!(std::fs::read_to_string(file).unwrap().contains("\"version\": \"7.0.0\""));
    let wheel = Package::pypi(
        "iniconfig",
        "2.0.0",
        "b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374",
    );
    let sdist = Package::pypi(
        "iniconfig",
        "2.0.0",
        "2d91e135bf72d31a410b17c16da610a82cb55f6b0477d1a902134b24a455b8b3",
    );
    let all = wheel.unpack_in(&cache, Progress::Quiet).unwrap();
    assert!(all.join("iniconfig/__init__.py").is_file());
    let all = sdist.unpack_in(&cache, Progress::Quiet).unwrap();
    assert!(all.join("iniconfig-2.0.0/src/iniconfig/__init__.py").is_file());
    let wrong = Package { sha256: NO_SHA.into(), ..npm };
    let error = wrong.archive_in(&cache, Progress::Quiet).unwrap_err();
    assert!(matches!(error, Error::Sha256 { .. }), "{error}");
}
