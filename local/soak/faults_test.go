package soak

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/tables"
)

// rules make 5 % of the requests to Graph and 5 % of the items of batches go wrong.
var rules = []faults.Rule{
	{On: faults.Request, Effect: faults.Answer, Status: 429, RetryAfter: 5, Rate: .01},
	{On: faults.Request, Effect: faults.Answer, Status: 503, Rate: .01},
	{On: faults.Request, Effect: faults.LoseAnswer, Rate: .01},
	{On: faults.Request, Effect: faults.Cut, Rate: .01},
	{On: faults.Request, Effect: faults.Slow, DelayMS: 200, Rate: .01},
	{On: faults.Item, Effect: faults.Answer, Status: 429, RetryAfter: 5, Rate: .01},
	{On: faults.Item, Effect: faults.Answer, Status: 503, Rate: .01},
	{On: faults.Item, Effect: faults.AnswerAfter, Status: 503, Rate: .01},
	{On: faults.Item, Effect: faults.AnswerAfter, Status: 504, Rate: .01},
	{On: faults.Item, Effect: faults.Slow, DelayMS: 100, Rate: .01},
}

// break5 puts the rules into force, and faults of the tables.
func (s *soak) break5() {
	for _, r := range rules {
		if _, err := s.M365.GraphFaults.Add(r); err != nil {
			s.t.Fatal(err)
		}
	}
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(s.seed, 2))
	s.Tables.Fail(func(tables.Operation) tables.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n := random.IntN(1000); n {
		case 0:
			return tables.Fault{Cut: true}
		case 1:
			return tables.Fault{Status: 503, Code: "ServerBusy"}
		case 2:
			return tables.Fault{Lost: true}
		}
		return tables.Fault{}
	})
}

// hits tells how often each rule applied.
func (s *soak) hits() string {
	var out []string
	for _, r := range s.M365.GraphFaults.Rules() {
		status := ""
		if r.Status != 0 {
			status = fmt.Sprintf(" %d", r.Status)
		}
		out = append(out, fmt.Sprintf("%s %s%s: %d", r.On, r.Effect, status, r.Hits))
	}
	return "faults: " + strings.Join(out, ", ")
}

// kill ends something without notice.
func (s *soak) kill(random *rand.Rand) {
	switch random.IntN(4) {
	case 0, 1:
		s.Host.KillHandlers()
	case 2:
		s.Host.Restart()
	case 3:
		s.BusServer.DropConnections()
	}
}
