//! The decision of a request that is still on its way.

use std::sync::{Arc, Mutex, PoisonError};

use doorward_policy::decision::{Decision, TraceId};

/// Who hears each decision.
pub(super) type Observer = Arc<dyn Fn(Decision) + Send + Sync>;

/// The [`Decision`] of a request, open until it is answered: the handlers add
/// their own checks to it. Clones see the same one.
///
/// ```
/// # use doorward_verify::layer::DecisionRecord;
/// use doorward_policy::decision::{Reason, Step};
///
/// /// An order may be read by its owner only.
/// fn owned(record: &DecisionRecord, owner: &str, caller: &str) -> Result<(), Reason> {
///     record.update(|decision| {
///         if owner != caller {
///             let wanted = format!("owner is {caller}");
///             return Err(decision.fail(Step::Condition, Reason::ConditionFailed, "another owner", wanted));
///         }
///         decision.pass(Step::Condition, "the caller owns it");
///         Ok(())
///     })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct DecisionRecord(Arc<Mutex<Decision>>);

impl DecisionRecord {
    pub(super) fn new(decision: Decision) -> Self {
        Self(Arc::new(Mutex::new(decision)))
    }

    /// What has been decided until now.
    pub fn snapshot(&self) -> Decision {
        self.update(|decision| decision.clone())
    }

    /// Reads or completes the decision.
    pub fn update<T>(&self, change: impl FnOnce(&mut Decision) -> T) -> T {
        // A handler that panicked here left a whole decision behind.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The request's name.
    pub fn trace_id(&self) -> TraceId {
        self.update(|decision| decision.trace_id)
    }

    /// The decision, without a copy if nobody else holds the record any more.
    pub(super) fn close(self) -> Decision {
        match Arc::try_unwrap(self.0) {
            Ok(alone) => alone.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => Self(shared).snapshot(),
        }
    }
}
