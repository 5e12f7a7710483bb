//! Feeds randomly changed files to every reader of the library, and reports panics, aborts, hangs and memory.
//!
//! ```text
//! cargo run --release --example fuzz_readers -- --minutes 10 [--seed N] [--jobs N] [--only TARGET] [--findings DIR]
//! cargo run --release --example fuzz_readers -- --input TARGET DIR
//! ```
//!
//! Each reader runs in a process of its own, whose address space is limited to 1 GiB. An input for which it takes more than
//! five seconds of processor time, or ten minutes in which it does nothing, counts as a hang. The files of an input that makes a reader fail are kept in the directory of the
//! findings; `--input` reads them once more. Exit code 1 if anything failed.

mod case;
mod fuzz;
mod mutation;
mod targets;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use case::Case;
use targets::{TARGETS, Target};

/// Largest address space of a process that reads, in KiB.
const MEMORY_LIMIT: u64 = 1 << 20;

/// Processor time after which an input counts as one that makes a reader hang; a busy machine does not change it.
const HANG: Duration = Duration::from_secs(5);

/// Time after which an input counts as one that makes a reader wait for ever.
const WAIT: Duration = Duration::from_secs(600);

/// Exit code of a process whose reader hangs.
const HANG_CODE: i32 = 42;

/// Number of inputs that are kept for the same message.
const MAX_KEPT: usize = 3;

/// Place of the last panic, in whatever thread it was.
static PLACE: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--input", name, directory] => {
            let target = find(name);
            let case = Case::read(Path::new(directory), |name| name != "message.txt");
            let work = std::env::temp_dir().join(format!("fuzz-input-{}", std::process::id()));
            let outcome = fuzz::read(target, &case.expect("readable files"), &work);
            println!("{outcome:?}");
            return ExitCode::from(u8::from(outcome.is_err()));
        }
        ["--child", name, seed, seconds, work, findings] => {
            let seed = seed.parse().expect("a seed");
            let seconds = seconds.parse().expect("a time");
            child(
                find(name),
                seed,
                seconds,
                Path::new(work),
                Path::new(findings),
            );
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let option = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        Some(words.get(at + 1).copied().unwrap_or_default().to_owned())
    };
    let number = |name: &str, default: f64| {
        option(name).map_or(default, |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{name} {text}, expected a number"))
        })
    };
    let minutes = number("--minutes", 1.0);
    let seed = number("--seed", 0.0) as u64;
    let jobs = number("--jobs", 1.0) as usize;
    let findings = option("--findings").unwrap_or_else(|| "fuzz_findings".to_owned());
    let only = option("--only");
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| only.as_deref().is_none_or(|only| only == target.name))
        .collect();
    let seconds = 60.0 * minutes * jobs.max(1) as f64 / chosen.len().max(1) as f64;
    let queue = Mutex::new(chosen.into_iter());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(target) = { queue.lock().expect("no panic").next() } {
                    let row = supervise(target, seed, seconds, Path::new(&findings));
                    eprintln!("{}: {} inputs", target.name, row.inputs);
                    rows.lock().expect("no panic").push((target.name, row));
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no panic");
    print_table(&rows, &findings)
}

fn find(name: &str) -> &'static Target {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        panic!(
            "there is no target {name}, expected one of {}",
            names.join(", ")
        )
    })
}

/// Counts of one target.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    inputs: u64,
    panics: u64,
    aborts: u64,
    hangs: u64,
    slowest_ms: f64,
    peak_mib: f64,
}

/// Runs processes that read one target until its time is over.
fn supervise(target: &Target, seed: u64, seconds: f64, findings: &Path) -> Row {
    let started = Instant::now();
    let mut total = Row::default();
    for restart in 0.. {
        let left = seconds - started.elapsed().as_secs_f64();
        if left <= 0.0 && restart > 0 {
            break;
        }
        let work = work_directory(target.name);
        let program = std::env::current_exe().expect("the path of this program");
        // The shell's limit holds for this process and all of its threads.
        let mut process = Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -v {MEMORY_LIMIT}; exec \"$0\" \"$@\""),
            ])
            .arg(program)
            .args(["--child", target.name])
            .args([(seed + restart).to_string(), left.max(0.1).to_string()])
            .args([&work, findings])
            // Every arena would reserve 64 MiB of the address space.
            .env("MALLOC_ARENA_MAX", "2")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process for the reader");
        let errors = process.stderr.take().map(last_line);
        let status_line = process.stdout.take().map(last_line).unwrap_or_default();
        let status = process.wait().expect("the end of the process");
        let numbers: Vec<f64> = status_line
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        if let [inputs, panics, slowest_ms, peak_mib] = numbers[..] {
            total.inputs += inputs as u64;
            total.panics += panics as u64;
            total.slowest_ms = total.slowest_ms.max(slowest_ms);
            total.peak_mib = total.peak_mib.max(peak_mib);
        }
        if !status.success() {
            let kind = if status.code() == Some(HANG_CODE) {
                total.hangs += 1;
                "hang"
            } else {
                total.aborts += 1;
                "abort"
            };
            // The files of the input are still where the process read them.
            let message = format!("{kind}: {status} {}", errors.unwrap_or_default());
            if let Ok(case) = Case::read(&work.join("input"), |_| true) {
                keep(&case, target.name, &message, findings);
            }
        }
        let _ = std::fs::remove_dir_all(&work);
    }
    total
}

/// Directory of the files of one reader, in memory if there is such a file system.
fn work_directory(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let path = parent.join(format!("fuzz-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a directory for the inputs");
    path
}

/// Last line that a process printed, read to the end.
fn last_line(output: impl std::io::Read) -> String {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    lines.last().unwrap_or_default()
}

/// Reads cases of a target until the time is over. Prints a line with its counts every second and at the end.
fn child(target: &'static Target, seed: u64, seconds: f64, work: &Path, findings: &Path) {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        PLACE
            .lock()
            .expect("no panic")
            .clone_from(&place.unwrap_or_default());
    }));
    let started = Instant::now();
    let corpus = (target.corpus)();
    let input = work.join("input");
    let current = Arc::new(AtomicU64::new(0));
    watch(&current);
    let mut row = Row::default();
    let mut kept: Vec<String> = Vec::new();
    let mut reported = 0.0;
    for index in 0.. {
        let elapsed = started.elapsed().as_secs_f64();
        // The corpus is always read as a whole.
        if elapsed > seconds && index >= corpus.len() {
            break;
        }
        if elapsed > reported + 1.0 {
            reported = elapsed;
            print_row(&row);
        }
        let case = fuzz::case(&corpus, seed, index);
        current.store(index as u64 + 1, Ordering::Relaxed);
        let outcome = fuzz::read(target, &case, &input);
        current.store(0, Ordering::Relaxed);
        row.inputs += 1;
        match outcome {
            Ok(time) => row.slowest_ms = row.slowest_ms.max(1000.0 * time.as_secs_f64()),
            Err(message) => {
                row.panics += 1;
                let message = format!("{message} at {}", PLACE.lock().expect("no panic"));
                if kept.iter().filter(|other| **other == message).count() < MAX_KEPT {
                    keep(&case, target.name, &message, findings);
                    kept.push(message);
                }
            }
        }
    }
    print_row(&row);
}

/// Ends this process if an input takes too long. `current` holds the number of the input, 0 between inputs.
fn watch(current: &Arc<AtomicU64>) {
    let current = Arc::clone(current);
    std::thread::spawn(move || {
        let (mut input, mut used, mut since) = (0, Duration::ZERO, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = current.load(Ordering::Relaxed);
            if now == 0 || now != input {
                (input, used, since) = (now, processor_time(), Instant::now());
            } else if processor_time() > used + HANG || since.elapsed() > WAIT {
                std::process::exit(HANG_CODE);
            }
        }
    });
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may have spaces; 11 fields later come the times of program and system.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // Linux has 100 ticks per second, on every architecture that this program runs on.
    Duration::from_millis(10 * ticks)
}

fn print_row(row: &Row) {
    let line = format!(
        "{} {} {:.1} {:.0}\n",
        row.inputs,
        row.panics,
        row.slowest_ms,
        peak_mib()
    );
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Largest memory that this process had, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Keeps the files of an input that made a reader fail, with the message.
fn keep(case: &Case, target: &str, message: &str, findings: &Path) {
    let number = std::fs::read_dir(findings).map_or(0, Iterator::count);
    let directory = findings.join(format!("{target}-{number}"));
    let written = case
        .write(&directory)
        .and_then(|()| std::fs::write(directory.join("message.txt"), format!("{message}\n")));
    match written {
        Ok(()) => eprintln!("{}: {message}", directory.display()),
        Err(error) => eprintln!("{target}: {message}; its files cannot be kept: {error}"),
    }
}

/// Prints the counts of all targets; the exit code tells whether anything failed.
fn print_table(rows: &[(&str, Row)], findings: &str) -> ExitCode {
    let head = [
        "reader",
        "inputs",
        "panics",
        "aborts",
        "hangs",
        "slowest",
        "peak memory",
    ];
    println!("| {} |", head.join(" | "));
    println!("|---|---|---|---|---|---|---|");
    let mut total = Row::default();
    let print = |name: &str, row: &Row| {
        println!(
            "| {name} | {} | {} | {} | {} | {:.0} ms | {:.0} MiB |",
            row.inputs, row.panics, row.aborts, row.hangs, row.slowest_ms, row.peak_mib
        );
    };
    for (name, row) in rows {
        print(name, row);
        total.inputs += row.inputs;
        total.panics += row.panics;
        total.aborts += row.aborts;
        total.hangs += row.hangs;
        total.slowest_ms = total.slowest_ms.max(row.slowest_ms);
        total.peak_mib = total.peak_mib.max(row.peak_mib);
    }
    print("all", &total);
    let failed = total.panics + total.aborts + total.hangs > 0;
    if failed {
        println!("The inputs that failed are in {findings}.");
    }
    ExitCode::from(u8::from(failed))
}
