//! How likely a model finds what is said.

use quintet_data::sample::{Media, Message, Part, Role, Sample};
use quintet_models::multimodal::{Batch, Side};

use crate::common::{Loaded, mini};

#[test]
fn each_row_has_the_loss_that_it_has_alone() {
    let Loaded { model, processor } = Loaded::open(&mini());
    let rows = ["yellow", "left of the star", "2"].map(|answer| {
        let question = vec![Part::Image, Part::Text("What colour is the star?".into())];
        let sample = Sample {
            id: answer.into(),
            messages: vec![
                Message { role: Role::User, content: question },
                Message::text(Role::Assistant, answer),
            ],
            media: vec![Media::File(mini().join("../../assets/demo.png"))],
        };
        processor.encode(&sample).expect("an encoded conversation")
    });
    let together = Batch::new(rows.to_vec(), Side::Right);
    let found = model.log_likelihoods(&together).expect("likelihoods");
    for (row, (log_likelihood, tokens)) in rows.into_iter().zip(found) {
        let (loss, count) = model.loss(&Batch::new(vec![row], Side::Right)).expect("a loss");
        let wanted = -f64::from(loss.into_scalar::<f32>()) * count as f64;
        assert_eq!(tokens, count);
        let off = (log_likelihood - wanted).abs();
        assert!(off < 1e-3 * wanted.abs().max(1.0), "{log_likelihood}, not {wanted}");
    }
}
