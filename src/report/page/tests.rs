use maud::html;

use super::*;
use crate::report::plot::{LinePlot, PlotPoint, Series};

const HOSTILE: &str = "</title></style></script><script>alert(\"1\")</script><!-- & 'x' =";

fn page() -> Page {
    let points = vec![PlotPoint::new(0.0, 1.0), PlotPoint::new(1.0, f64::NAN)];
    let plot = LinePlot::new(HOSTILE, HOSTILE, HOSTILE).series(Series::new(HOSTILE, points));
    let table = Table::new(
        HOSTILE,
        vec![Column::text(HOSTILE), Column::number("n", HOSTILE)],
    );
    let image = PixelImage {
        pixels: &[0.5],
        shape: [1, 1, 1],
        alt: HOSTILE,
        width: 9,
    };
    let steps = Steps::ByChoice {
        control: HOSTILE.to_owned(),
        n_steps: vec![3, 1],
    };
    let body = html! {
        (controls(&[
            Control::choice(HOSTILE, HOSTILE, [HOSTILE, "other"]),
            Control::range("frame", HOSTILE, steps).played(0),
        ]))
        (figure(plot.draw(), HOSTILE))
        (table.row([HOSTILE, "1", "one too many"]).row(["short"]))
        (shown_when(&Condition::of(HOSTILE, 1), image))
        (value_of(HOSTILE))
    };
    Page::new(HOSTILE, HOSTILE)
        .section(Section::new(HOSTILE, body))
        .section(Section::new("Same", ""))
        .section(Section::new("same!", ""))
        .section(Section::new("…", ""))
}

#[test]
fn nothing_hostile_becomes_markup() {
    let text = page().to_html();
    assert_eq!(text.matches("<script").count(), 1);
    assert_eq!(text.matches("</style>").count(), 1);
    assert_eq!(
        text.matches("</title>").count(),
        text.matches("<title>").count()
    );
    assert!(!text.contains("<script>alert"));
}

#[test]
fn nothing_is_fetched() {
    let text = page().to_html();
    assert!(text.contains("default-src 'none'"));
    for address in ["http://", "https://", "url(", "@import", "fetch("] {
        assert!(!text.contains(address), "{address}");
    }
}

#[test]
fn a_control_and_its_conditions_have_one_name() {
    let text = page().to_html();
    let name = condition::control_name(HOSTILE);
    for attribute in ["data-control", "data-steps-of", "data-text"] {
        assert!(
            text.contains(&format!("{attribute}=\"{name}\"")),
            "{attribute}"
        );
    }
    assert!(text.contains(&format!("data-when=\"{name}=1\"")));
}

#[test]
fn links_lead_to_one_section_each() {
    let text = page().to_html();
    for id in ["same", "same-2", "section"] {
        assert_eq!(text.matches(&format!("<h2 id=\"{id}\"")).count(), 1);
        assert_eq!(text.matches(&format!("href=\"#{id}\"")).count(), 1);
    }
}

#[test]
fn every_element_is_closed() {
    let text = page().to_html();
    let void = ["meta", "link", "input", "img"];
    let mut open = Vec::new();
    let mut rest = &text[text.find("<body").unwrap()..text.find("</html>").unwrap()];
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
        match tag.strip_prefix('/') {
            Some(_) => assert_eq!(open.pop(), Some(name)),
            None if void.contains(&name) || tag.ends_with('/') => {}
            None => open.push(name),
        }
        rest = &rest[end + 1..];
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_same_page_is_the_same_text() {
    assert_eq!(page().to_html(), page().to_html());
    let empty = Page::new("", "").to_html();
    assert!(empty.contains("<main"));
}
