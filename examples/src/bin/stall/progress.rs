//! A bar on a terminal, a line per round elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(total: Duration) -> Progress {
        let bar = ProgressBar::new(total.as_millis() as u64);
        let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}")
            .expect("the template is constant");
        bar.set_style(style);
        Progress(bar)
    }

    pub fn say(&self, message: String) {
        if self.0.is_hidden() {
            eprintln!("{message}");
        }
        self.0.set_message(message);
    }

    pub fn advance(&self, by: Duration) {
        self.0.inc(by.as_millis() as u64);
    }

    pub fn finish(self) {
        self.0.finish_and_clear();
    }
}
