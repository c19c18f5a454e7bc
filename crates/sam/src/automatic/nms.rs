//! Non-maximum suppression.

/// The boxes that overlap no box of a higher score by a greater IoU than `most`, highest score first
/// and first come first among equals; as `nms` of `torchvision`.
pub fn keep(boxes: &[[f32; 4]], scores: &[f32], most: f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len().min(scores.len())).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut kept: Vec<usize> = Vec::new();
    for i in order {
        if kept.iter().all(|better| iou(&boxes[*better], &boxes[i]) <= most) {
            kept.push(i);
        }
    }
    kept
}

/// Intersection over union; 0 of boxes without area.
fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |[x1, y1, x2, y2]: &[f32; 4]| (x2 - x1) * (y2 - y1);
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let both = width * height;
    if both > 0.0 { both / (area(a) + area(b) - both) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_of_two_alike_stays() {
        let boxes = [
            [0.0, 0.0, 10.0, 10.0],
            [0.0, 0.0, 10.0, 9.0],
            [20.0, 20.0, 30.0, 30.0],
            [0.0, 0.0, 10.0, 5.0],
            [5.0, 5.0, 5.0, 5.0],
            [5.0, 5.0, 5.0, 5.0],
        ];
        let scores = [0.8, 0.9, 0.7, 0.95, 0.1, 0.1];
        assert_eq!(keep(&boxes, &scores, 0.7), [3, 1, 2, 4, 5]);
        assert_eq!(keep(&boxes, &scores, 0.5), [3, 0, 2, 4, 5]);
        assert_eq!(keep(&boxes, &scores, 1.0), [3, 1, 0, 2, 4, 5]);
        assert_eq!(keep(&[], &[], 0.5), [0usize; 0]);
    }
}
