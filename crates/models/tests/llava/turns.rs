//! Turns packed into one row are conversations of their own.

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use quintet_models::multimodal::{Batch, Row, Side};

use crate::common::{Loaded, difference, mini, values};

/// A question and its answer.
type Turn = (&'static str, &'static str);

fn conversation(turns: &[Turn]) -> Sample {
    let mut messages: Vec<Message> = turns
        .iter()
        .flat_map(|(question, answer)| {
            [Message::text(Role::User, *question), Message::text(Role::Assistant, *answer)]
        })
        .collect();
    messages[0].content.insert(0, Part::Image);
    let demo = Media::File(mini().join("../../assets/demo.png"));
    Sample { id: "turns".into(), messages, media: vec![demo] }
}

#[test]
fn a_packed_row_equals_one_row_per_turn() {
    let loaded = Loaded::open(&mini());
    let Loaded { model, processor } = &loaded;
    // What is rounded depends on how many rows there are.
    model.params().unpack();
    let turns = [
        ("What colour is the house?", "red"),
        ("Is there a dog in the picture?", "no"),
        ("What is in the picture?", "a house, a cat and a star"),
    ];
    let packed = processor.encode_turns(&conversation(&turns)).expect("a packed row");
    let alone: Vec<Row> = turns
        .map(|turn| processor.encode(&conversation(&[turn])).expect("a row of one turn"))
        .to_vec();
    let tokens: usize = alone.iter().map(|row| row.ids.len()).sum();
    // What all begin with is there once.
    let shared = (tokens - packed.ids.len()) / (turns.len() - 1);
    assert!(shared > processor.image_tokens);

    let [packed, alone] = [vec![packed], alone].map(|rows| Batch::new(rows, Side::Right));
    let [(ours, count), (theirs, expected)] =
        [&packed, &alone].map(|batch| model.loss(batch).expect("a loss"));
    assert_eq!(count, expected);
    let off = difference(&values(&ours), &values(&theirs));
    assert!(off < 1e-5, "the loss is off by {off}");

    let (ours, theirs) = (loaded.logits(&packed), loaded.logits(&alone));
    let mut before = 0;
    for (number, turn) in turns.iter().enumerate() {
        let len = processor.encode(&conversation(&[*turn])).expect("a row of one turn").ids.len();
        let theirs = values(&theirs.clone().narrow(0, number, 1).narrow(1, 0, len));
        let own = ours.clone().narrow(1, before + shared, len - shared);
        let start = ours.clone().narrow(1, 0, shared);
        let ours = [values(&start), values(&own)].concat();
        let off = difference(&ours, &theirs);
        assert!(off < 1e-5, "turn {number}: logits are off by {off}");
        before += len - shared;
    }
}
