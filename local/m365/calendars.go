package m365

import (
	"errors"
	"net/http"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// newCalendar is another calendar of a mailbox.
type newCalendar struct {
	Tenant string `json:"tenant"`
	User   string `json:"user"`
	Name   string `json:"name"`
	Color  string `json:"color"` // of calendarColor; "" is auto
}

// addCalendar gives a mailbox another calendar, as its owner does in Outlook.
func (s *Server) addCalendar(r *http.Request) (any, error) {
	body, err := read[newCalendar](r)
	if err != nil {
		return nil, err
	}
	color, known := exchange.Enum("calendarColor", body.Color)
	if body.Color != "" && !known {
		return nil, errors.New("no such colour")
	}
	c, err := s.Exchange.AddCalendar(body.Tenant, body.User, body.Name)
	if err != nil {
		return nil, errUser
	}
	if err := s.Exchange.PaintCalendar(body.Tenant, body.User, c.ID, color); err != nil {
		return nil, err
	}
	return map[string]string{"id": c.ID}, nil
}
