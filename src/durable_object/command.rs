//! The commands that the Worker sends to a VM's object, each with the type of its reply.

use std::time::Duration;

use super::{Command, Hold, Reply, TakeDownRequest, Wake};
use crate::error::Error;
use crate::lifecycle::{Endpoint, Failure, Outcome, Progress, ReadyToken};
use crate::time::Timestamp;
use crate::vm::{ColdStartRecord, StartEstimates, Status, Vm};

/// The time for a reply that the object need not wait for.
pub(super) const PROMPT: Duration = Duration::from_secs(10);

/// The time for a held reply after the end of the hold, which the object itself ends.
const GRACE: Duration = Duration::from_secs(5);

/// A command with the type of its reply. Every command may be sent again.
pub(crate) trait ObjectCommand {
    /// The reply. A conversion fails if the object replies to another command.
    type Reply: TryFrom<Reply, Error = Error>;

    /// Returns the command as it is sent, and the time for the reply.
    fn into_command(self, vm: &Vm, now: Timestamp) -> (Command, Duration);
}

/// Reports activity. The reply is the endpoint of a VM that serves.
pub(crate) struct Touch;

/// Requests the endpoint of a VM that serves, without waking one that does not.
pub(crate) struct GetEndpoint;

/// Requests the VM's status.
pub(crate) struct GetStatus;

/// The reply to [`Wake`].
pub(crate) enum WakeReply {
    /// The VM serves, possibly after a cold start.
    Ready { endpoint: Endpoint, cold_start: Option<ColdStartRecord> },
    /// The start failed.
    Failed(Failure),
    /// The start continues after the hold.
    Pending(Progress),
}

/// The reply to [`TakeDownRequest`].
pub(crate) enum TakeDownReply {
    /// The VM is down, or on its way down if the reply was not to wait.
    Accepted,
    /// The VM could not be taken down.
    Failed(Failure),
}

/// The reply to [`ReadyToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadyReply {
    /// The token is that of the VM's boot.
    Accepted,
    /// The token is not that of the VM's boot.
    Forbidden,
}

impl ObjectCommand for Wake {
    type Reply = WakeReply;

    fn into_command(self, vm: &Vm, now: Timestamp) -> (Command, Duration) {
        let timeout = match self.hold {
            Hold::No => PROMPT,
            Hold::Until(end) => end.since(now) + GRACE,
            Hold::UntilDone => vm.startup_timeout + GRACE,
        };
        (Command::Wake(self), timeout)
    }
}

impl ObjectCommand for TakeDownRequest {
    type Reply = TakeDownReply;

    fn into_command(self, vm: &Vm, _now: Timestamp) -> (Command, Duration) {
        let timeout = if self.wait { vm.startup_timeout + GRACE } else { PROMPT };
        (Command::TakeDown(self), timeout)
    }
}

impl ObjectCommand for Touch {
    type Reply = Option<Endpoint>;

    fn into_command(self, _vm: &Vm, _now: Timestamp) -> (Command, Duration) {
        (Command::Touch, PROMPT)
    }
}

impl ObjectCommand for GetEndpoint {
    type Reply = Option<Endpoint>;

    fn into_command(self, _vm: &Vm, _now: Timestamp) -> (Command, Duration) {
        (Command::GetEndpoint, PROMPT)
    }
}

impl ObjectCommand for GetStatus {
    type Reply = Status;

    fn into_command(self, _vm: &Vm, _now: Timestamp) -> (Command, Duration) {
        (Command::Status, PROMPT)
    }
}

impl ObjectCommand for ReadyToken {
    type Reply = ReadyReply;

    fn into_command(self, _vm: &Vm, _now: Timestamp) -> (Command, Duration) {
        (Command::Ready(self), PROMPT)
    }
}

impl TryFrom<Reply> for WakeReply {
    type Error = Error;

    fn try_from(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Outcome(Outcome::Ready { endpoint, cold_start }) => {
                Ok(WakeReply::Ready { endpoint, cold_start })
            }
            Reply::Outcome(Outcome::Failed(failure)) => Ok(WakeReply::Failed(failure)),
            Reply::Pending(progress) => Ok(WakeReply::Pending(progress)),
            _ => Err(unexpected()),
        }
    }
}

impl TryFrom<Reply> for TakeDownReply {
    type Error = Error;

    fn try_from(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Outcome(Outcome::Failed(failure)) => Ok(TakeDownReply::Failed(failure)),
            Reply::Done | Reply::Status(_) => Ok(TakeDownReply::Accepted),
            _ => Err(unexpected()),
        }
    }
}

impl TryFrom<Reply> for Option<Endpoint> {
    type Error = Error;

    fn try_from(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Endpoint(endpoint) => Ok(endpoint),
            _ => Err(unexpected()),
        }
    }
}

impl TryFrom<Reply> for Status {
    type Error = Error;

    fn try_from(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Status(status) => {
                Ok(Status { expected: StartEstimates::of(&status.cold_starts), ..*status })
            }
            _ => Err(unexpected()),
        }
    }
}

impl TryFrom<Reply> for ReadyReply {
    type Error = Error;

    fn try_from(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Done => Ok(ReadyReply::Accepted),
            Reply::Forbidden => Ok(ReadyReply::Forbidden),
            _ => Err(unexpected()),
        }
    }
}

/// Returns the error for a reply to another command.
fn unexpected() -> Error {
    Error::internal("the VM's object sent the reply to another command")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::TakeDown;

    #[test]
    fn a_reply_to_another_command_is_an_error() {
        assert!(WakeReply::try_from(Reply::Done).is_err());
        assert!(TakeDownReply::try_from(Reply::Endpoint(None)).is_err());
        assert!(Option::<Endpoint>::try_from(Reply::Done).is_err());
        assert!(Status::try_from(Reply::Pending(Progress::default())).is_err());
        assert!(ReadyReply::try_from(Reply::Endpoint(None)).is_err());
        assert_eq!(Option::<Endpoint>::try_from(Reply::Endpoint(None)), Ok(None));
    }

    #[test]
    fn a_held_reply_has_more_time_than_the_hold() {
        let (vm, now) = (Vm::default(), Timestamp::from_millis(1000));
        let timeout =
            |hold| Wake { unreachable: None, hold, force: false, client: None }.into_command(&vm, now).1;
        let seven = Duration::from_secs(7);
        assert_eq!(timeout(Hold::No), PROMPT);
        assert!(timeout(Hold::Until(now + seven)) > seven);
        assert!(timeout(Hold::UntilDone) > vm.startup_timeout);
        let timeout = |wait| TakeDownRequest { take_down: TakeDown::Stop, wait }.into_command(&vm, now).1;
        assert!(timeout(true) > vm.startup_timeout);
        assert_eq!(timeout(false), PROMPT);
    }
}
