package handlers

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	healthCached   = 10 * time.Second
	healthPatience = 3 * time.Second
)

// Check asks whether a dependency is there. It returns nil when it is.
type Check func(ctx context.Context) error

// health is the function Health: GET health, anonymous. Its answer is kept for
// ten seconds, so that anybody may ask as often as they like, and it says which
// dependency is gone but never why. It shows when the app's certificate ends, which
// makes nothing unavailable before.
type health struct {
	checks          map[string]Check
	now             func() time.Time
	version, commit string
	// ends is when the app's certificate does; zero for a credential that does not say.
	ends time.Time

	mu    sync.Mutex
	asked time.Time
	last  answer
}

func (h *health) serve(ctx context.Context, _ *request) answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if age := now.Sub(h.asked); h.last.status == 0 || age < 0 || age >= healthCached {
		// Others wait for this answer: it must not end with the caller who happened to ask.
		h.last, h.asked = h.ask(context.WithoutCancel(ctx)), now
	}
	return h.last
}

// ask asks every dependency at once.
func (h *health) ask(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	type result struct {
		name string
		err  error
	}
	results := make(chan result, len(h.checks))
	for name, check := range h.checks {
		go func() { results <- result{name, check.ask(ctx)} }()
	}
	states := map[string]string{}
	for name := range h.checks {
		states[name] = "unavailable"
	}
	status, overall := http.StatusOK, "ok"
	for range h.checks {
		select {
		case r := <-results:
			if r.err == nil {
				states[r.name] = "ok"
			}
		case <-ctx.Done():
		}
	}
	for _, s := range states {
		if s != "ok" {
			status, overall = http.StatusServiceUnavailable, "unavailable"
		}
	}
	body := map[string]any{"status": overall, "version": h.version, "commit": h.commit, "dependencies": states}
	if !h.ends.IsZero() {
		body["certificate"] = map[string]any{"expiresAt": h.ends.UTC().Format(time.RFC3339), "days": int(h.ends.Sub(h.now()).Hours() / 24)}
	}
	a := answer{status: status, body: body}
	if status != http.StatusOK {
		a.headers = map[string]string{"Retry-After": "10"}
	}
	return a
}

// ask makes a panic of a check a failed check: it runs beside the request, where
// nobody else would recover it.
func (c Check) ask(ctx context.Context) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("check panicked")
		}
	}()
	return c(ctx)
}
