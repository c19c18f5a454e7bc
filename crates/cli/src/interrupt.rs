//! Ctrl-C: the first asks the work to stop, a second leaves at once.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{consts::SIGINT, flag};

/// Exit code of a program that Ctrl-C ended.
const ENDED: i32 = 128 + SIGINT;

/// Whether Ctrl-C was pressed.
pub struct Interrupt {
    stop: Arc<AtomicBool>,
    /// Whether the next Ctrl-C ends the program.
    armed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on.
    pub fn install() -> anyhow::Result<Self> {
        let this = Self { stop: Arc::default(), armed: Arc::default() };
        // In this order: the press that arms is not the one that ends.
        flag::register_conditional_shutdown(SIGINT, ENDED, this.armed.clone())?;
        flag::register(SIGINT, this.armed.clone())?;
        flag::register(SIGINT, this.stop.clone())?;
        Ok(this)
    }

    /// Set by the first Ctrl-C.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Whether the work was asked to stop.
    pub fn requested(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// The same, for work that asks after each step.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Before work that one Ctrl-C should stop.
    pub fn working(&self) {
        self.armed.store(false, Ordering::SeqCst);
        self.stop.store(false, Ordering::SeqCst);
    }

    /// Before waiting for input, where there is nothing to stop but the program.
    pub fn waiting(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}
