package engine

import (
	"context"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// tellMailbox tells the people row what this turn learnt of the mailbox, if that
// is news: one request then, and none otherwise. The lane row remembers it with
// the turn's results; a kill in between tells it once more.
func (t *turn) tellMailbox(ctx context.Context) error {
	verdict := t.mailbox()
	if t.info.Kind != key.User || verdict == "" || verdict == t.info.Verdict {
		return nil
	}
	if err := t.people.SetMailbox(ctx, t.info.Organization, t.lane, verdict); err != nil {
		return err
	}
	t.verdict = verdict
	return nil
}

// mailbox is what the turn learnt of the target's mailbox: ok, a reason of ics, or
// nothing. An event that was written outweighs a refusal beside it.
func (t *turn) mailbox() string {
	refused := ""
	for _, s := range t.slots {
		if s.fate != done || s.step.outcome != final {
			continue
		}
		switch s.step.reason {
		case reason.MailboxNotFound, reason.MailboxOnPremises, reason.MailboxUnavailable, reason.OutsideScope, reason.PersonalMailbox:
			refused = s.step.reason
		case "":
			if s.step.op == state.OpCreate || s.step.op == state.OpPatch {
				return state.MailboxOK
			}
		}
	}
	if refused == "" && t.home.Mailbox != "" && (t.info.Verdict == "" || t.home != t.info.Home) {
		return state.MailboxOK
	}
	return refused
}
