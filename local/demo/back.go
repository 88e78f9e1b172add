package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

// The organisation of the way back: a planner whose calendar is connected both ways.
const (
	backOrganization = "lamna"
	backTenant       = "f0000000-0000-4000-8000-000000000003"
	backDomain       = "lamna.example"
	backUser         = "rita"
	backAddress      = backUser + "@" + backDomain
	backBooking      = "shift-1"
)

// backPatience is how long a change in Outlook may take to be on the topic: a
// notification comes within seconds, and is merged with others for up to ten.
const backPatience = 60 * time.Second

// Back shows the way back: Rita connects her calendar by the very pages that people use,
// what is in it becomes known by itself, and what she then does in Outlook comes out of
// the topic. It returns what did not come. Without a simulator of our own it does nothing.
func (p *Player) Back(ctx context.Context) (differences []string, err error) {
	if p.stack.M365 == nil {
		return nil, nil
	}
	if err := p.follow(); err != nil {
		return nil, err
	}
	p.printf("\nthe way back: Rita of %s connects her calendar, and then changes things in Outlook\n", backOrganization)
	for _, step := range []func(context.Context) (string, error){p.backConnect, p.backBook, p.backEdit} {
		missing, err := step(ctx)
		if err != nil {
			return differences, fmt.Errorf("the way back: %w", err)
		}
		if missing != "" {
			return append(differences, "the way back: "+missing), nil // what follows needs it
		}
	}
	p.mu.Lock()
	p.edited = time.Time{} // what comes now is of somebody else's doing
	p.mu.Unlock()
	p.backLink, err = p.ritasLink(ctx)
	return nil, err
}

// ritasLink is a link to her page Connected apps. It belongs to the browser that uses it
// first.
func (p *Player) ritasLink(ctx context.Context) (string, error) {
	return p.link(ctx, map[string]any{"organization": backOrganization, "role": "user", "user": backUser, "email": backAddress})
}

// rita is the owner of the mailbox, in Outlook.
func (p *Player) rita() exchange.Owner {
	return p.stack.M365.Exchange.Owner(backTenant, backAddress)
}

// backConnect seeds Rita's calendar, and connects it. The first reading comes by itself.
func (p *Player) backConnect(ctx context.Context) (missing string, err error) {
	m := p.stack.M365
	m.AddTenant(backTenant, backDomain)
	m.Exchange.AddUser(backTenant, exchange.User{Principal: backAddress, Name: "Rita Resource"})
	if err := p.stack.API().PutOrganization(ctx, backOrganization, []byte(`{"displayName":"Lamna Planning","profile":"planning","module":true,
 "product":{"name":"Planner","url":"https://planner.example"},"downSync":{"privacy":"all"}}`)); err != nil {
		return "", err
	}
	p.edits()
	if err := p.appointment("Team lunch", 12, "normal"); err != nil {
		return "", err
	}
	if err := p.appointment("Dentist", 15, "private"); err != nil {
		return "", err
	}
	to, err := p.ritasLink(ctx)
	if err != nil {
		return "", err
	}
	if err := connect(ctx, to); err != nil {
		return "", err
	}
	if !p.knows(ctx, func(all []Appointment) bool {
		return slices.ContainsFunc(all, func(a Appointment) bool { return a.Title == "Team lunch" }) &&
			slices.ContainsFunc(all, func(a Appointment) bool { return a.Private && a.Title == "" })
	}) {
		return "what is in Rita's calendar did not become known after she connected it", nil
	}
	return "", nil
}

// connect walks from a link to a connected calendar, as its person does in a browser.
func connect(ctx context.Context, link string) error {
	a, err := newAgent()
	if err != nil {
		return err
	}
	a.open(ctx, link)
	a.press(ctx, "Continue")
	if a.err == nil {
		start, err := a.at.Parse("/api/connect/start?grant=" + a.at.Path[len("/api/portal/apps/"):])
		if err != nil {
			return err
		}
		a.open(ctx, start.String())
	}
	a.press(ctx, "Continue to Microsoft", "choice", "both:readwrite")
	a.press(ctx, "Sign in", "loginfmt", backAddress)
	a.press(ctx, "Accept")
	a.press(ctx, "Yes, connect it")
	return a.err
}

// appointment makes one of Rita's own, tomorrow, of an hour.
func (p *Player) appointment(subject string, hour int, sensitivity string) error {
	day := time.Now().UTC().AddDate(0, 0, 1)
	start := exchange.Time{DateTime: day.Format("2006-01-02") + fmt.Sprintf("T%02d:00:00", hour), Zone: "UTC"}
	end := exchange.Time{DateTime: day.Format("2006-01-02") + fmt.Sprintf("T%02d:00:00", hour+1), Zone: "UTC"}
	_, err := p.rita().Create(exchange.Change{Subject: &subject, Start: &start, End: &end, Sensitivity: &sensitivity})
	return err
}

// backBook books a shift for Rita, which is written into the same calendar.
func (p *Player) backBook(ctx context.Context) (missing string, err error) {
	day := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	answer, err := p.stack.API().Send(ctx, fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":"https://planner.example","type":"calbridge.booking.v1","data":{
 "organization":%q,"id":%q,"revision":1,"status":"confirmed","title":"Shift in Tampere",
 "start":{"dateTime":"%sT08:00:00","timeZone":"UTC"},"end":{"dateTime":"%sT10:00:00","timeZone":"UTC"},"people":[{"user":%q,"email":%q,"role":"required"}]}}`,
		backOrganization, backBooking, day, day, backUser, backAddress))
	if err == nil && answer.Status != http.StatusAccepted {
		err = fmt.Errorf("POST bookings: status %d: %s", answer.Status, answer.Body)
	}
	if err != nil {
		return "", err
	}
	wait, cancel := context.WithTimeout(ctx, backPatience)
	defer cancel()
	if err := p.all.Wait(wait, func() bool { return p.shift().State == "written" }); err != nil {
		return fmt.Sprintf("the shift is %q, not written", p.shift().Result()), ctx.Err()
	}
	return "", nil
}

// shift is how the booking of the way back stands.
func (p *Player) shift() stack.Change {
	c, _ := p.all.Latest(stack.Target{Organization: backOrganization, Booking: backBooking, User: backUser})
	return c
}

// backEdit changes Rita's calendar in Outlook: the shift is an hour later, the lunch is
// called otherwise, and the dentist is cancelled.
func (p *Player) backEdit(ctx context.Context) (missing string, err error) {
	p.printf("  (Rita moves the shift, renames the lunch and deletes the dentist in Outlook)\n")
	p.edits()
	for _, e := range p.stack.M365.Exchange.Events(backTenant, backAddress) {
		switch e.Subject {
		case "Shift in Tampere":
			day := e.Start.DateTime[:len(time.DateOnly)]
			err = p.rita().Move(e.ID, exchange.Time{DateTime: day + "T09:00:00", Zone: e.Start.Zone}, exchange.Time{DateTime: day + "T11:00:00", Zone: e.End.Zone})
		case "Team lunch":
			err = p.rita().Retitle(e.ID, "Team lunch at the harbour")
		case "Dentist":
			err = p.rita().Delete(e.ID)
		}
		if err != nil {
			return "", err
		}
	}
	if !p.knows(ctx, func(all []Appointment) bool {
		return len(all) == 1 && all[0].Title == "Team lunch at the harbour" && p.view.Changed(backOrganization, backBooking, "moved")
	}) {
		return "what Rita did in Outlook did not come out of the topic", ctx.Err()
	}
	return "", nil
}

// edits notes that a calendar is changed now.
func (p *Player) edits() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.edited = time.Now()
}

// later is how long after the last change of a calendar something came; "" where that
// was long before, so that it came of another one.
func (p *Player) later(at time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := at.Sub(p.edited)
	if took < 0 || took > backPatience {
		return ""
	}
	return fmt.Sprintf(", %.1f s later", took.Seconds())
}

// knows waits until what the booking app knows of Rita's calendar is right.
func (p *Player) knows(ctx context.Context, right func([]Appointment) bool) bool {
	wait, cancel := context.WithTimeout(ctx, backPatience)
	defer cancel()
	return p.all.Wait(wait, func() bool { return right(p.view.Appointments(backOrganization, backUser)) }) == nil
}
