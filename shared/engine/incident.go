package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Incidents of the deployment: what concerns no organisation but the operator, who is
// alerted once when it begins and once when it is over.

const (
	incidentSeen = 10 * time.Minute // between two notes that it goes on
	incidentOver = 25 * time.Hour   // without being seen: a single connection sees it once a day
)

// credentialCode is the alert of a fault of the app's own credential.
const credentialCode = "app-credential"

// incident is something to alert of.
type incident struct {
	code string // of the alert; letters, digits and hyphens
	text string
}

// credentialIncident is a fault of the app's own credential (identity.md section 4).
func credentialIncident(failure *graph.Error) incident {
	words := graph.FindCode(graph.FromEntra, failure.Status, failure.Code, numbersOf(failure)...).Words
	return incident{credentialCode, words.Sentence + " " + words.Next}
}

// raise alerts of an incident unless that was done. The alert goes first: a kill after
// it, and others who see the same at the same time, give the same one again; the minute
// tells it from one that comes back.
func (e *Engine) raise(ctx context.Context, x incident) error {
	now := e.now().UTC()
	known, err := e.incidents.Get(ctx, x.code)
	switch {
	case err == nil && now.Sub(known.Last) < incidentSeen:
		return nil
	case err == nil:
		known.Last = now
		return e.incidents.Put(ctx, known)
	case !errors.Is(err, state.ErrNotFound):
		return err
	}
	alert := outboundAlert(x.code, "raised", x.text)
	alert.ID = key.UUID(fmt.Sprintf("alert/%s/%s/raised", x.code, now.Truncate(time.Minute).Format(time.RFC3339)))
	if err := e.send(ctx, queue.Changes, message(alert.Event(e.origin("")))); err != nil {
		return err
	}
	return e.incidents.Put(ctx, state.Incident{Code: x.code, Since: now, Last: now})
}

// watchIncidents ends the incidents that were not seen any more.
func (e *Engine) watchIncidents(ctx context.Context) error {
	all, err := e.incidents.List(ctx)
	if err != nil {
		return err
	}
	for _, x := range all {
		if e.now().Sub(x.Last) < incidentOver || strings.HasPrefix(x.Code, certificateCode) {
			continue // a certificate's ends with the certificate: the next one has its own
		}
		if err := e.endIncident(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// credentialWorks takes that Entra has accepted the app's credential: a token was given.
func (e *Engine) credentialWorks(ctx context.Context) error {
	x, err := e.incidents.Get(ctx, credentialCode)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.endIncident(ctx, x)
}

// endIncident tells that an incident is over, and forgets it.
func (e *Engine) endIncident(ctx context.Context, x state.Incident) error {
	alert := outboundAlert(x.Code, "over", "It has not been seen any more.")
	alert.ID = key.UUID(fmt.Sprintf("alert/%s/%s/over", x.Code, x.Since.Format(time.RFC3339)))
	if err := e.send(ctx, queue.Changes, message(alert.Event(e.origin("")))); err != nil {
		return err
	}
	return e.incidents.Over(ctx, x.Code)
}

const certificateCode = "certificate-expiring"

// certificateWarnings are how many days before its end the certificate is told of.
var certificateWarnings = []int{1, 7, 30}

// watchCertificate alerts, once for each number of days, that the app's certificate ends.
func (e *Engine) watchCertificate(ctx context.Context) error {
	if e.expires.IsZero() {
		return nil
	}
	left := e.expires.Sub(e.now())
	for _, days := range certificateWarnings {
		if left > time.Duration(days)*24*time.Hour {
			continue
		}
		code := fmt.Sprintf("%s-%d-%d", certificateCode, e.expires.Unix(), days)
		_, err := e.incidents.Get(ctx, code)
		if err == nil || !errors.Is(err, state.ErrNotFound) {
			return err
		}
		alert := outboundAlert(certificateCode, "raised", "The certificate of the app registration ends on "+e.expires.UTC().Format(time.DateOnly)+
			"; replace it before, or no calendar can be written.")
		alert.ID = key.UUID("alert/" + code)
		if err := e.send(ctx, queue.Changes, message(alert.Event(e.origin("")))); err != nil {
			return err
		}
		now := e.now()
		return e.incidents.Put(ctx, state.Incident{Code: code, Since: now, Last: now})
	}
	return nil
}

func outboundAlert(code, how, text string) outbound.Alert {
	return outbound.Alert{Code: code, State: how, Message: text}
}
