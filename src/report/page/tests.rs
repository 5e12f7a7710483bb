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
            Control::range("frame", HOSTILE, steps).with_play_button(0),
        ]))
        (figure(plot.draw(), HOSTILE))
        (table.row([HOSTILE, "1", "one too many"]).row(["short"]))
        (shown_when(&Condition::equals(HOSTILE, 1), image))
        (control_value(HOSTILE))
    };
    Page::new(HOSTILE, HOSTILE)
        .section(Section::new(HOSTILE, body))
        .section(Section::new("Same", ""))
        .section(Section::new("same!", ""))
        .section(Section::new("…", ""))
}

#[test]
fn hostile_text_does_not_become_markup() {
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
fn pages_have_no_external_resources() {
    let text = page().to_html();
    assert!(text.contains("default-src 'none'"));
    for address in ["http://", "https://", "url(", "@import", "fetch("] {
        assert!(!text.contains(address), "{address}");
    }
}

#[test]
fn controls_and_conditions_use_the_same_name() {
    let text = page().to_html();
    let name = crate::report::condition::control_name(HOSTILE);
    for attribute in ["data-control", "data-steps-of", "data-text"] {
        assert!(
            text.contains(&format!("{attribute}=\"{name}\"")),
            "{attribute}"
        );
    }
    assert!(text.contains(&format!("data-when=\"{name}=1\"")));
}

#[test]
fn every_link_leads_to_one_section() {
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
fn rendering_is_deterministic() {
    assert_eq!(page().to_html(), page().to_html());
    let empty = Page::new("", "").to_html();
    assert!(empty.contains("<main"));
}
