//! Every reader is given its corpus and some hundreds of changed files, and must return a value or an error.

#[path = "../../tools/fuzz_readers/case.rs"]
mod case;
#[path = "../../tools/fuzz_readers/fuzz.rs"]
mod fuzz;
#[path = "../../tools/fuzz_readers/mutation.rs"]
mod mutation;
#[path = "../../tools/fuzz_readers/targets/mod.rs"]
mod targets;

use crate::util::TestDir;
use targets::TARGETS;

/// Changed files for each reader; fewer for those that train or open a whole study.
fn n_mutations(target: &str) -> usize {
    match target {
        "checkpoint" => 20,
        "study" | "collect" => 50,
        _ => 200,
    }
}

#[test]
fn no_reader_panics_at_changed_files() {
    // Each target on a thread of its own, as far as there are processors.
    let problems = std::sync::Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let directory = TestDir::new();
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(target) = TARGETS.get(index) else {
                        return;
                    };
                    let corpus = (target.corpus)();
                    for index in 0..corpus.len() + n_mutations(target.name) {
                        let case = fuzz::case(&corpus, 1, index);
                        let outcome = fuzz::read(target, &case, &directory.path().join("input"));
                        if let Err(panic) = outcome {
                            let problem = format!("{}, case {index}: {panic}", target.name);
                            problems.lock().unwrap().push(problem);
                        }
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn corpora_are_read_without_an_error_and_mutations_are_reproducible() {
    for target in &TARGETS {
        // Training a corpus takes its time, and the test above does so.
        if target.name == "checkpoint" {
            continue;
        }
        let corpus = (target.corpus)();
        assert!(!corpus.is_empty(), "{}", target.name);
        let index = corpus.len() + 3;
        let first = fuzz::case(&corpus, 1, index);
        assert!(first == fuzz::case(&corpus, 1, index), "{}", target.name);
    }
}
