//! The words that appear written in scenes.

/// Common English words of two to six letters; a word's id is its position here.
pub const WORDS: &[&str] = &[
    "up", "go", "no", "yes", "on", "off", "in", "out", "to", "we", "hi", "ok", "add", "air", "art",
    "ask", "bag", "big", "bit", "buy", "cup", "cut", "day", "end", "eye", "far", "few", "fit",
    "fly", "fun", "gas", "get", "hot", "ice", "job", "joy", "law", "low", "map", "mix", "new",
    "now", "old", "one", "own", "pay", "put", "red", "run", "sea", "see", "sit", "six", "sky",
    "ten", "top", "try", "two", "use", "way", "win", "zoo", "area", "back", "bank", "best", "blue",
    "call", "city", "club", "cold", "cook", "dark", "deep", "east", "easy", "exit", "face", "farm",
    "fast", "film", "fire", "five", "food", "four", "free", "game", "gold", "good", "hall", "hand",
    "help", "home", "hope", "idea", "july", "june", "jump", "king", "lake", "late", "left", "life",
    "long", "love", "menu", "milk", "moon", "news", "next", "nine", "open", "park", "play", "pool",
    "push", "quiz", "rain", "rest", "road", "room", "sale", "salt", "save", "shop", "slow", "snow",
    "soup", "stop", "taxi", "time", "tour", "wait", "walk", "warm", "west", "wind", "work", "zero",
    "beach", "board", "cafe", "dance", "earth", "green", "hotel", "juice", "light", "music",
    "north", "photo", "price", "queen", "right", "river", "south", "sugar", "today", "water",
    "world", "young", "bakery", "bridge", "center", "coffee", "doctor", "family", "garden",
    "market", "museum", "office", "school", "silver", "street", "summer", "ticket", "winter",
];

/// The word's id, if it is one of [`WORDS`].
pub fn word_id(word: &str) -> Option<u16> {
    WORDS.iter().position(|w| *w == word).and_then(|i| u16::try_from(i).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_short() {
        let mut sorted = WORDS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), WORDS.len());
        assert!(
            WORDS
                .iter()
                .all(|w| (2..=6).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase()))
        );
        assert_eq!(word_id("stop").map(|i| WORDS[i as usize]), Some("stop"));
    }
}
