//! Training: what is found, and what is refused.

use super::dataset::{Dataset, RecordedRows, RowMark};
use super::forest::Dice;
use super::*;
use crate::evaluate::Labelled;
use headwater_kernel::model::{Classifier, Fill};

/// A row a second; `made` gives features and class of each row of a recording.
pub(super) fn dataset(
    names: &[&str],
    recordings: usize,
    rows: usize,
    mut made: impl FnMut(usize, usize) -> (Vec<f64>, usize),
) -> Dataset {
    let mut data = Dataset {
        features: 0,
        names: names.iter().map(|&name| name.to_owned()).collect(),
        values: Vec::new(),
        marks: Vec::new(),
        recordings: Vec::new(),
        unusable: 0,
    };
    for recording in 0..recordings {
        let first = data.marks.len();
        let times: Vec<i64> = (0..rows).map(|row| 1_000 * row as i64).collect();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        for row in 0..rows {
            let (features, class) = made(recording, row);
            data.features = features.len();
            columns.resize(features.len(), Vec::new());
            columns.iter_mut().zip(&features).for_each(|(column, value)| column.push(*value));
            data.values.extend(features);
            let (start, end) = (1_000 * row as i64, 1_000 * (row as i64 + 1));
            data.marks.push(RowMark { class, start, end, is_scored: true });
        }
        let mut readings = Labelled::new("made", times, Vec::new());
        readings.columns = columns;
        data.recordings.push(RecordedRows { rows: first..data.marks.len(), readings });
    }
    data
}

fn recipe(features: usize) -> RowRecipe {
    RowRecipe {
        stream: "pump".to_owned(),
        over: vec!["pump/flow".to_owned()],
        aggregates: (0..features).map(|feature| format!("f{feature}")).collect(),
        fill: Fill::Nothing,
        fill_within_ms: 0,
    }
}

fn options(kind: ModelKind) -> TrainOptions {
    TrainOptions { kind, folds: 4, seed: 1, window: "tumbling size=1000".to_owned() }
}

/// A valve that sticks moves the first feature, a leak the second; the third is noise, the fourth constant.
fn pump(recordings: usize, rows: usize) -> Dataset {
    let mut dice = Dice::new(7);
    let mut noise =
        move || (0..12).map(|_| dice.below(1 << 20) as f64 / f64::from(1 << 20)).sum::<f64>() - 6.0;
    dataset(&["normal", "leak", "valve"], recordings, rows, |_, row| {
        let share = row * 10 / rows;
        let class = if share == 3 {
            1
        } else if share == 7 {
            2
        } else {
            0
        };
        let (leak, valve) = (f64::from(class == 1), f64::from(class == 2));
        (vec![10.0 - 5.0 * valve + noise(), 100.0 - 60.0 * leak + 10.0 * noise(), noise(), 4.0], class)
    })
}

const KINDS: [ModelKind; 3] = [ModelKind::Logistic, ModelKind::Svm, ModelKind::Forest];

#[test]
fn a_known_answer_is_found_by_every_kind_and_judged_on_what_it_has_not_seen() {
    let data = pump(4, 200);
    for kind in KINDS {
        let (model, report) = train(&data, &recipe(4), &options(kind)).unwrap();
        let score = |name: &str| model.card.scores.iter().find(|score| score.name == name).unwrap().mean;
        assert!(score("accuracy") > 0.95, "{kind:?}: {}", report.as_text());
        for class in ["normal", "leak", "valve"] {
            assert!(score(&format!("recall {class}")) > 0.9, "{kind:?}: {}", report.as_text());
            assert!(score(&format!("ROC {class}")) > 0.97, "{kind:?}: {}", report.as_text());
        }
        assert_eq!(model.card.rows, [640, 80, 80]);
        assert_eq!((model.card.folds, model.card.recordings), (4, 4));
        let text = report.as_text();
        assert!(text.contains("`pump/flow f3` is the same in all windows"), "{text}");
        for row in ["auto", "always the same", "is, said"] {
            assert!(text.contains(row), "{text}");
        }
        // The one who always says `normal` is right four times out of five, and finds nothing.
        let same = report.contestants[2].score("accuracy").unwrap();
        assert!((same.mean - 0.8).abs() < 1e-12, "{same:?}");
        // The features that were moved weigh most.
        let mut weights = [0.0; 4];
        model.weigh(&[10.0, 40.0, 0.0, 4.0], 1, &mut weights);
        assert!(weights[1] > 2.0 * weights[0].abs().max(weights[2].abs()), "{kind:?}: {weights:?}");
        assert_eq!(weights[3], 0.0);
        assert!(ModelFile::read(&model.write()).is_ok_and(|read| read == model));
    }
}

#[test]
fn a_picture_has_the_confusion_and_the_curves_of_each_fold() {
    let mut data = pump(3, 200);
    data.names[1] = "a <leak> & \u{1b}more".to_owned();
    let (_, report) = train(&data, &recipe(4), &options(ModelKind::Logistic)).unwrap();
    let svg = report.as_svg();
    assert_eq!(
        svg.matches("class=\"fold\"").count(),
        3 * 2 * 4,
        "3 folds, 2 curves of 3 classes and of any fault"
    );
    assert_eq!(svg.matches("class=\"auto\"").count(), 3 * 2);
    assert_eq!(svg.matches("class=\"count\"").count(), 9);
    assert!(svg.contains("a &lt;leak&gt; &amp;") && !svg.contains('\u{1b}'), "{svg}");
    assert!(svg.len() < 200_000 && !svg.contains("NaN") && !svg.contains("inf"), "{}", svg.len());
    assert_eq!(svg, train(&data, &recipe(4), &options(ModelKind::Logistic)).unwrap().1.as_svg());
}

/// `tests/models/check` times it with 100,000 rows, kind by kind.
#[test]
fn as_many_rows_as_there_are_make_a_model() {
    let wanted = |name: &str| std::env::var(name).ok();
    let rows = wanted("HEADWATER_ROWS").map_or(1_000, |rows| rows.parse().unwrap());
    let mut dice = Dice::new(3);
    let data = dataset(&["normal", "leak", "valve"], 1, rows, |_, row| {
        let class = row % 10 / 8 * (1 + row % 2);
        let mut feature = |at: usize| dice.below(1_000) as f64 + if at == class { 300.0 } else { 0.0 };
        ((0..10).map(&mut feature).collect(), class)
    });
    let all: Vec<usize> = (0..rows).collect();
    for (word, kind) in ModelKind::WORDS {
        if wanted("HEADWATER_KIND").is_none_or(|wanted| wanted == word) {
            let numbers = kind.fit(&data, &all, 1);
            assert_eq!((numbers.features(), numbers.classes()), (10, 3), "{word}");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for kind in KINDS {
        let bytes = |seed: u64| {
            let options = TrainOptions { seed, ..options(kind) };
            train(&pump(2, 150), &recipe(4), &options).unwrap().0.write()
        };
        assert!(bytes(1) == bytes(1));
        assert!(bytes(1) != bytes(2), "the card names the seed");
    }
}

/// What follows from the rows of another place in time must not be known.
#[test]
fn folds_are_whole_recordings_or_stretches_of_time() {
    let data = pump(4, 100);
    let all = folds(&data, 5);
    assert_eq!(all.len(), 4, "as many as recordings at most");
    for fold in &all {
        let [(recording, rows)] = &fold.test[..] else { panic!("{fold:?}") };
        assert_eq!(rows, &data.recordings[*recording].rows);
        assert!(fold.train.iter().all(|row| !rows.contains(row)) && fold.train.len() == 300);
    }
    let mut one = pump(1, 100);
    // Sliding windows: each shares time with the five before it.
    one.marks.iter_mut().for_each(|mark| mark.start = mark.end - 5_000);
    let all = folds(&one, 5);
    let tests: Vec<_> = all.iter().map(|fold| fold.test[0].1.clone()).collect();
    assert_eq!(tests, [0..20, 20..40, 40..60, 60..80, 80..100]);
    assert_eq!(all[1].train.len(), 100 - 20 - 2 * 4, "neighbours that share readings are left out");
}

#[test]
fn thin_data_are_told_and_nothing_to_tell_apart_is_an_error() {
    let few = dataset(&["normal", "fault"], 2, 2, |_, row| (vec![row as f64; 6], row));
    let (_, report) = train(&few, &recipe(6), &options(ModelKind::Logistic)).unwrap();
    assert!(report.as_text().contains("6 features and 4 windows: a model learns them by heart"));
    // The second half alone has the fault: no fold can be judged by a model that knows both.
    let apart = dataset(&["normal", "fault"], 2, 50, |recording, _| (vec![recording as f64], recording));
    let (model, report) = train(&apart, &recipe(1), &options(ModelKind::Svm)).unwrap();
    let text = report.as_text();
    assert!(text.contains("fold 1 is left out") && text.contains("no fold could be judged"), "{text}");
    assert_eq!(model.card.folds, 0);
    let wide = dataset(&["normal", "fault"], 2, 4, |_, row| (vec![1.0; 300], row % 2));
    let error = train(&wide, &recipe(300), &options(ModelKind::Logistic)).unwrap_err();
    assert!(error.to_string().contains("300 features"), "{error}");
}
