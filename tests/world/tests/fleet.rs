//! Fleets of browsers, for hours of virtual time.

#![allow(clippy::print_stdout, reason = "how many refreshes were made is part of the result")]
#![allow(clippy::disallowed_methods, reason = "and so is how long that took; nothing depends on it")]

use std::time::Instant;

use fiftyten_world::sim::{self, HOUR, Outage, Plan, chart};

/// A plan that makes about so many refreshes.
fn plan(refreshes: u64) -> Plan {
    let outages = vec![Outage { from: HOUR, length: HOUR / 6 }, Outage { from: 3 * HOUR, length: 60_000 }];
    // A browser makes some 60 in an hour.
    Plan { users: refreshes / 240 + 1, tabs: 3, length: 4 * HOUR, outages, seed: 50 }
}

#[test]
fn nothing_is_stale_nobody_is_signed_out_and_nobody_waits_for_ever() {
    let refreshes = if std::env::var_os("FIFTYTEN_LONG").is_some() { 10_000_000 } else { 10_000 };
    let start = Instant::now();
    let totals = sim::run(&plan(refreshes), 2);
    let (hours, took) = (totals.awake as f64 / HOUR as f64, start.elapsed().as_secs_f64());
    println!(
        "{} refreshes in {took:.1} s, {:.1} per browser-hour, {} requests, {} sign-outs",
        totals.refreshes,
        totals.refreshes as f64 / hours,
        totals.requests,
        totals.sign_outs
    );
    assert!(totals.is_clean(), "{:?}", totals.first);
    assert!(totals.refreshes >= refreshes, "{} refreshes", totals.refreshes);
    // 72 in an hour would be one in 50 s; the third that share nothing and all that goes wrong cost the rest.
    assert!(totals.refreshes as f64 / hours < 100.0, "the tabs of a browser do not share their refreshes");
    assert!(totals.sign_outs > 0 && totals.held > 0, "nothing happened in it");
    // The limit, and up to a second more in hidden pages, whose timers fire on the second.
    assert!(totals.wait(1_000) <= 11_000, "{} ms", totals.wait(1_000));
}

#[test]
fn the_same_seed_makes_the_same_history_on_any_number_of_threads() {
    let plan = Plan { users: 8, length: HOUR, ..plan(0) };
    let [one, three] = [1, 3].map(|threads| sim::run(&plan, threads));
    assert_eq!((one.refreshes, one.requests, &one.load), (three.refreshes, three.requests, &three.load));
    let other = sim::run(&Plan { seed: 51, ..plan }, 1);
    assert_ne!(one.load, other.load);
}

#[test]
fn the_load_is_drawn() {
    let plan = Plan { users: 8, length: HOUR, ..plan(0) };
    let totals = sim::run(&plan, 1);
    let text = chart::text(&totals);
    assert!(text.contains('█') && text.ends_with("1.0 h\n"), "{text}");
    let svg = chart::svg(&totals, &plan.outages);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<rect ").count(), 2);
}
