package m365

import (
	"fmt"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// switches is exchange.Switches as JSON.
type switches struct {
	Memory          string `json:"memory"`      // exchange.ParseMemory; "" is freed
	MemoryLasts     string `json:"memoryLasts"` // a duration
	DuplicateStatus int    `json:"duplicateStatus"`
	NameExisting    bool   `json:"nameExisting"`
	SearchLag       string `json:"searchLag"` // a duration
	SearchByHand    bool   `json:"searchByHand"`
	UnknownUserCode string `json:"unknownUserCode"`
	ZoneFailureCode string `json:"zoneFailureCode"`
	WrapUIDs        bool   `json:"wrapUIDs"`
	ListExceptions  bool   `json:"listExceptions"`
	DeletedAnswer   bool   `json:"deletedAnswer"`
	Rewriting       string `json:"rewriting"` // exchange.ParseRewriting; "" is lightly
}

func (s *Server) shownSwitches() switches {
	now := s.Exchange.Switches()
	return switches{Memory: now.Memory.String(), MemoryLasts: now.MemoryLasts.String(), DuplicateStatus: now.DuplicateStatus,
		NameExisting: now.NameExisting, SearchLag: now.SearchLag.String(), SearchByHand: now.SearchByHand,
		UnknownUserCode: now.UnknownUserCode, ZoneFailureCode: now.ZoneFailureCode,
		WrapUIDs: now.WrapUIDs, ListExceptions: now.ListExceptions, DeletedAnswer: now.DeletedAnswer, Rewriting: now.Rewriting.String()}
}

func (s *Server) setSwitches(r *http.Request) (any, error) {
	body, err := read[switches](r)
	if err != nil {
		return nil, err
	}
	memory, known := exchange.ParseMemory(body.Memory)
	if body.Memory != "" && !known {
		return nil, fmt.Errorf("no memory %q", body.Memory)
	}
	rewriting, known := exchange.ParseRewriting(body.Rewriting)
	if body.Rewriting != "" && !known {
		return nil, fmt.Errorf("no rewriting %q", body.Rewriting)
	}
	lasts, err := duration(body.MemoryLasts)
	if err != nil {
		return nil, err
	}
	lag, err := duration(body.SearchLag)
	if err != nil {
		return nil, err
	}
	s.Exchange.SetSwitches(exchange.Switches{
		Memory: memory, MemoryLasts: lasts, DuplicateStatus: body.DuplicateStatus, NameExisting: body.NameExisting,
		SearchLag: lag, SearchByHand: body.SearchByHand, UnknownUserCode: body.UnknownUserCode, ZoneFailureCode: body.ZoneFailureCode,
		WrapUIDs: body.WrapUIDs, ListExceptions: body.ListExceptions, DeletedAnswer: body.DeletedAnswer, Rewriting: rewriting,
	})
	return s.shownSwitches(), nil
}

func duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}
