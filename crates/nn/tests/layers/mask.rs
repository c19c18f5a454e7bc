use burn::{DType, Device, Tensor};
use quintet_nn::{Rows, attention_bias, mask::Visibility};

use crate::values;

/// Which keys each query of each row sees, as text: `x` sees, `.` does not.
fn picture(bias: &Tensor<4>) -> Vec<Vec<String>> {
    let [b, _, t, s] = bias.dims();
    let values = values(bias);
    let line = |row: usize, query: usize| {
        let start = (row * t + query) * s;
        values[start..start + s].iter().map(|&x| if x == 0.0 { 'x' } else { '.' }).collect()
    };
    (0..b).map(|row| (0..t).map(|query| line(row, query)).collect()).collect()
}

fn bias(visibility: Visibility, rows: Option<&Rows>, t: usize, s: usize) -> Option<Tensor<4>> {
    attention_bias(visibility, rows, t, s, DType::F32, &Device::flex())
}

#[test]
fn causal_masks_hide_the_future() {
    let all = bias(Visibility::CAUSAL, None, 3, 3).expect("a mask");
    assert_eq!(picture(&all), [["x..", "xx.", "xxx"]]);
    let last_two = bias(Visibility::CAUSAL, None, 2, 4).expect("a mask");
    assert_eq!(picture(&last_two), [["xxx.", "xxxx"]]);
}

#[test]
fn a_window_hides_the_distant_past() {
    let visibility = Visibility { causal: true, window: Some(2) };
    let mask = bias(visibility, None, 4, 4).expect("a mask");
    assert_eq!(picture(&mask), [["x...", "xx..", ".xx.", "..xx"]]);
    let step = bias(visibility, None, 1, 4).expect("a mask");
    assert_eq!(picture(&step), [["..xx"]]);
}

#[test]
fn padding_is_hidden_from_all() {
    let rows = Rows::new(vec![2..4, 0..3]);
    let mask = bias(Visibility::CAUSAL, Some(&rows), 4, 4).expect("a mask");
    assert_eq!(
        picture(&mask),
        [["....", "....", "..x.", "..xx"], ["x...", "xx..", "xxx.", "xxx."]]
    );
    let mask = bias(Visibility::FULL, Some(&rows), 2, 4).expect("a mask");
    assert_eq!(picture(&mask), [["..xx", "..xx"], ["xxx.", "xxx."]]);
    let step = bias(Visibility::CAUSAL, Some(&rows.grown(1)), 1, 5).expect("a mask");
    assert_eq!(picture(&step), [["..xxx"], ["xxxx."]]);
}

#[test]
fn no_mask_where_everything_is_seen() {
    assert!(bias(Visibility::CAUSAL, None, 1, 9).is_none());
    assert!(bias(Visibility::FULL, None, 4, 4).is_none());
    assert!(bias(Visibility { causal: true, window: Some(9) }, None, 1, 9).is_none());
    let full = Rows::left_padded(&[4, 4], 4);
    assert!(bias(Visibility::FULL, Some(&full), 4, 4).is_none());
    assert!(full.are_full(4) && !Rows::left_padded(&[4, 3], 4).are_full(4));
}

#[test]
fn positions_count_from_the_first_real_token() {
    let rows = Rows::left_padded(&[2, 4], 4);
    let positions = |row| (0..4).map(|i| rows.position(row, i)).collect::<Vec<_>>();
    assert_eq!(positions(0), [0, 0, 0, 1]);
    assert_eq!(positions(1), [0, 1, 2, 3]);
    assert_eq!(rows.grown(3).position(0, 6), 4);
    assert_eq!(Rows::right_padded(&[2, 3]).ranges(), [0..2, 0..3]);
}

#[test]
fn hidden_scores_are_finite_in_every_number_kind() {
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let mask = attention_bias(Visibility::CAUSAL, None, 2, 2, dtype, &Device::flex());
        let mask = mask.expect("a mask");
        assert_eq!(mask.dtype(), dtype);
        assert!(values(&mask).iter().all(|x| x.is_finite()), "{dtype:?}");
        assert_eq!(values(&mask).iter().filter(|&&x| x < -1e4).count(), 1, "{dtype:?}");
    }
}
