// Package faults decides which requests to the simulator of Microsoft 365 go
// wrong, and how.
//
// A Rule says what to do (Effect), to which requests (Method, Path, Mailbox, On)
// and how often (Rate, Skip, Count). The first rule that applies to a request
// wins. Chance comes from the seed given to New, so a run with the same requests
// in the same order has the same faults. The kinds are those of
// graph/contract.md 15, "Faults to inject", and of section 9 for the shapes of
// error bodies.
package faults

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Effects of a rule.
const (
	Answer      = "answer"       // an error instead of the effect
	AnswerAfter = "answer-after" // the effect takes place, the answer is an error
	LoseAnswer  = "lose-answer"  // the effect takes place, the connection is cut
	Cut         = "cut"          // the connection is cut, nothing happens
	Late        = "late"         // the connection is cut, the effect comes later
	Slow        = "slow"         // the answer waits for Delay
)

// Shapes of an error body.
const (
	Normal    = ""           // code and message
	NoMessage = "no-message" // error without message
	HTML      = "html"       // a proxy's page
	Empty     = "empty"      // nothing
	Broken    = "broken"     // JSON that ends too soon
)

// Places where a rule applies.
const (
	Anywhere = ""
	Request  = "request" // requests of their own, $batch included
	Item     = "item"    // requests within a $batch
)

// Rule is one fault. The zero values of its conditions match everything.
type Rule struct {
	ID     int    `json:"id,omitempty"` // given by Add
	Effect string `json:"effect"`
	// Status of Answer and AnswerAfter; Code and Message take what Graph sends with
	// that status when empty. RetryAfter is in seconds; 0 sends no such header.
	Status     int    `json:"status,omitempty"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message,omitempty"`
	RetryAfter int    `json:"retryAfter,omitempty"`
	Body       string `json:"body,omitempty"`
	// DelayMS of Slow, in milliseconds of real time; before a cut too.
	DelayMS int `json:"delayMs,omitempty"`
	// AfterMS is when the effect of Late comes by itself, in milliseconds of the
	// simulator's clock; 0 leaves it to the test.
	AfterMS int `json:"afterMs,omitempty"`

	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"`    // regular expression on the path below /v1.0
	Mailbox string `json:"mailbox,omitempty"` // object id or any address
	On      string `json:"on,omitempty"`

	Rate  float64 `json:"rate,omitempty"`  // 0 means always
	Skip  int     `json:"skip,omitempty"`  // matching requests that go well first
	Count int     `json:"count,omitempty"` // how many go wrong; 0 without end
	Hits  int     `json:"hits,omitempty"`  // how many went wrong so far
}

// Subject is a request that a rule may apply to.
type Subject struct {
	Method string
	Path   string   // below /v1.0, decoded
	Names  []string // of the mailbox, lower case; none when it has none
	Item   bool
}

// Set is the rules in force. It is safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	random *rand.Rand
	next   int
	rules  []*rule
}

type rule struct {
	Rule
	path *regexp.Regexp
}

// New returns a set without rules.
func New(seed uint64) *Set {
	return &Set{random: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
}

// Add puts a rule after those in force and returns its id.
func (s *Set) Add(r Rule) (int, error) {
	if !slices.Contains([]string{Answer, AnswerAfter, LoseAnswer, Cut, Late, Slow}, r.Effect) {
		return 0, fmt.Errorf("faults.Add: unknown effect %q", r.Effect)
	}
	if !slices.Contains([]string{Normal, NoMessage, HTML, Empty, Broken}, r.Body) {
		return 0, fmt.Errorf("faults.Add: unknown body %q", r.Body)
	}
	if !slices.Contains([]string{Anywhere, Request, Item}, r.On) {
		return 0, fmt.Errorf("faults.Add: unknown place %q", r.On)
	}
	if answers := r.Effect == Answer || r.Effect == AnswerAfter; answers && (r.Status < 400 || r.Status > 599) {
		return 0, fmt.Errorf("faults.Add: status %d is no error", r.Status)
	}
	if r.Rate < 0 || r.Rate > 1 || r.Skip < 0 || r.Count < 0 || r.DelayMS < 0 || r.AfterMS < 0 || r.RetryAfter < 0 {
		return 0, fmt.Errorf("faults.Add: a number is out of range")
	}
	path, err := regexp.Compile(r.Path)
	if err != nil {
		return 0, fmt.Errorf("faults.Add: path: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	r.ID, r.Hits = s.next, 0
	s.rules = append(s.rules, &rule{r, path})
	return r.ID, nil
}

// Remove takes one rule away; an unknown one is gone already.
func (s *Set) Remove(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = slices.DeleteFunc(s.rules, func(r *rule) bool { return r.ID == id })
}

// Clear takes all rules away.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Rules returns the rules in force with their counts.
func (s *Set) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Rule, 0, len(s.rules))
	for _, r := range s.rules {
		all = append(all, r.Rule)
	}
	return all
}

// Pick returns the rule that decides over a request, if one does.
func (s *Set) Pick(subject Subject) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if s.applies(r, subject) {
			r.Hits++
			return r.Rule, true
		}
	}
	return Rule{}, false
}

func (s *Set) applies(r *rule, subject Subject) bool {
	switch {
	case r.Count > 0 && r.Hits >= r.Count,
		r.On == Item && !subject.Item, r.On == Request && subject.Item,
		r.Method != "" && !strings.EqualFold(r.Method, subject.Method),
		r.Mailbox != "" && !slices.Contains(subject.Names, strings.ToLower(r.Mailbox)),
		!r.path.MatchString(subject.Path):
		return false
	}
	if r.Skip > 0 {
		r.Skip--
		return false
	}
	return r.Rate == 0 || s.random.Float64() < r.Rate
}

// Delay is DelayMS as a duration of real time.
func (r Rule) Delay() time.Duration { return time.Duration(r.DelayMS) * time.Millisecond }

// After is AfterMS as a duration of the simulator's clock.
func (r Rule) After() time.Duration { return time.Duration(r.AfterMS) * time.Millisecond }

// Wording returns the code and message of a fault's answer: the rule's own, or
// what Graph sends with that status (section 9).
func (r Rule) Wording() (code, message string) {
	code, message = wording(r.Status)
	if r.Code != "" {
		code = r.Code
	}
	if r.Message != "" {
		message = r.Message
	}
	return code, message
}

func wording(status int) (code, message string) {
	switch status {
	case 401:
		return "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."
	case 403:
		return "ErrorAccessDenied", "Access is denied. Check credentials and try again."
	case 404:
		return "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
	case 409:
		return "ConcurrentItemSave", "The item was changed by another writer."
	case 412:
		return "ErrorIrresolvableConflict", "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item."
	case 429:
		return "ApplicationThrottled", "Application is over its MailboxConcurrency limit."
	case 500:
		return "InternalServerError", "The server was unable to process the request."
	case 503:
		return "ServiceUnavailable", "The service is temporarily unavailable."
	case 504:
		return "UnknownError", ""
	case 507:
		return "ErrorQuotaExceeded", "The mailbox is full."
	}
	return "BadRequest", "The request was refused."
}
