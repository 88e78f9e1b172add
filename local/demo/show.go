package demo

import (
	"net/url"
	"time"

	"github.com/calbridge/calbridge/local/host"
)

// Show prints the addresses to look at.
func (p *Player) Show() {
	s := p.stack
	p.printf("\nCalbridge        %s/api   (x-functions-key: %s; for operator/…: %s)\n", s.URL, host.FunctionKey, host.MasterKey)
	p.printf("  health         curl %s/api/health\n", s.URL)
	for _, step := range p.last() {
		b := step.Booking
		p.printf("  a booking      curl -H 'x-functions-key: %s' '%s/api/organizations/%s/bookings?%s'\n",
			host.FunctionKey, s.URL, b.Organization, url.Values{"id": {b.ID}}.Encode())
	}
	if own, err := yours(p.story.Steps[0].Booking, time.Now()); err == nil {
		p.printf("  send one       curl -H 'x-functions-key: %s' -H 'content-type: application/cloudevents+json' %s/api/bookings \\\n                   -d '%s'\n",
			host.FunctionKey, s.URL, own)
	}
	p.printf("  organisations  curl -H 'x-functions-key: %s' %s/api/operator/organizations\n", host.MasterKey, s.URL)
	if s.M365 != nil {
		p.printf("calendars        %s/calendars\n", s.M365.URL())
		p.printf("  all as JSON    curl %s/sim/mailboxes\n", s.M365.URL())
	}
	if p.backLink != "" {
		p.printf("  Rita's         %s/calendars/week?%s   (connected: change something in it)\n", s.M365.URL(),
			url.Values{"tenant": {backTenant}, "user": {backAddress}}.Encode())
		p.printf("  her page       %s   (Sync calendar)\n", p.backLink)
	}
	if p.viewURL != "" {
		p.printf("booking app      %s   (what it knows, from the topic alone)\n", p.viewURL)
	}
	if s.BusServer != nil {
		p.printf("topic            SERVICEBUS='%s' go run ./examples/consumer\n", s.BusServer.ConnectionString())
	}
	if s.Tables != nil {
		p.printf("tables           %s\n", s.Tables.URL())
	}
}
