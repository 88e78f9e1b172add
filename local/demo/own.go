package demo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
)

// Own makes the story fit a real tenant: one organisation, bound to tenant, and
// people with the given addresses in place of the first ones of the story; who
// has none is left out of the bookings. What would tell nothing then (the
// addresses that the simulator knows to be wrong) is left out with them.
func (s Story) Own(tenant string, addresses []string) (Story, error) {
	first := s.Tenants[0]
	real := map[string]string{}
	for i, user := range first.Users {
		if i < len(addresses) {
			real[user.Principal] = addresses[i]
		}
	}
	first.ID, first.Users = tenant, nil
	out := Story{Tenants: []Tenant{first}}
	for _, step := range s.Steps {
		if step.Answer != 202 {
			out.Steps = append(out.Steps, step)
			continue
		}
		if step.Booking.Organization != first.Organization {
			continue
		}
		err := step.change(func(data map[string]any) {
			people, _ := data["people"].([]any)
			data["people"] = slices.DeleteFunc(people, func(p any) bool {
				person, _ := p.(map[string]any)
				account, _ := person["account"].(string)
				email, _ := person["email"].(string)
				address, known := real[account]
				if account == "" {
					address, known = real[email]
				}
				delete(person, "account")
				person["email"] = address
				return !known
			})
		})
		if err != nil {
			return s, err
		}
		out.Steps = append(out.Steps, step)
	}
	return out, nil
}

// Again makes the story new for tables that may hold it already: bookings get ids
// that end in the present time.
func (s Story) Again(now time.Time) (Story, error) {
	suffix := "/" + now.UTC().Format("20060102T150405.000")
	s.Steps = slices.Clone(s.Steps)
	for i := range s.Steps {
		err := s.Steps[i].change(func(data map[string]any) {
			id, _ := data["id"].(string)
			data["id"] = id + suffix
		})
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// change changes the member data of a step's event.
func (s *Step) change(f func(data map[string]any)) error {
	decoder := json.NewDecoder(strings.NewReader(string(s.Event)))
	decoder.UseNumber()
	var event map[string]any
	if err := decoder.Decode(&event); err != nil {
		return fmt.Errorf("%s: %w", s.File, err)
	}
	data, ok := event["data"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: no data", s.File)
	}
	f(data)
	delete(event, "subject") // it would have to be changed with the id
	text, err := json.MarshalIndent(event, "", "  ")
	if err != nil {
		return err
	}
	s.Event = text
	if s.Answer != 202 {
		return nil
	}
	message, err := booking.Decode(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.File, err)
	}
	s.Booking = message.Booking
	return nil
}
