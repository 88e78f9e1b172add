package graph_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
)

// refusal is what an error of package identity tells.
type refusal struct {
	code   string
	number int
	status int
}

func (refusal) Error() string { return "refused" }

func (r refusal) TokenFailure() (string, []int, int, time.Duration) {
	return r.code, []int{r.number}, r.status, 0
}

// identity.md section 4; contract 13.5.
func TestAFailedRefreshHasAFate(t *testing.T) {
	for _, tt := range []struct {
		code           string
		number, status int
		want           graph.Fate
	}{
		// Terminal: marked at once.
		{"invalid_grant", 70000, 400, graph.FateDead},
		{"invalid_grant", 70008, 400, graph.FateDead},
		{"invalid_grant", 700082, 400, graph.FateDead},
		{"invalid_grant", 70043, 400, graph.FateDead},
		{"invalid_grant/bad_token", 50173, 400, graph.FateDead},
		{"invalid_grant", 50057, 400, graph.FateDead},
		{"interaction_required", 50076, 400, graph.FateDead},
		{"interaction_required/basic_action", 50079, 400, graph.FateDead},
		{"invalid_grant", 123456, 400, graph.FateDead}, // by the error, whatever the number
		// A policy: reconnecting would loop, whatever the error is called.
		{"interaction_required", 53000, 400, graph.FatePolicy},
		{"access_denied", 53003, 400, graph.FatePolicy},
		{"invalid_grant", 530032, 400, graph.FatePolicy},
		// This connection's consent only.
		{"invalid_grant/consent_required", 65001, 400, graph.FateConsent},
		{"consent_required", 0, 400, graph.FateConsent},
		// The app in the tenant.
		{"unauthorized_client", 700016, 400, graph.FateApp},
		{"unauthorized_client", 7000112, 400, graph.FateApp},
		{"unauthorized_client", 1000031, 400, graph.FateApp},
		// Our own credential: one alert, no connection changes.
		{"invalid_client", 7000215, 401, graph.FateCredential},
		{"invalid_client", 7000222, 401, graph.FateCredential},
		{"invalid_client", 700027, 401, graph.FateCredential},
		{"invalid_client", 700213, 401, graph.FateCredential},
		// Passing: outage, throttling, no answer, a proxy's page, a fault of ours.
		{"temporarily_unavailable", 90033, 400, graph.FatePassing},
		{"server_error", 0, 500, graph.FatePassing},
		{"invalid_grant", 700082, 503, graph.FatePassing},
		{"invalid_grant", 700082, 429, graph.FatePassing},
		{"invalid_grant", 50196, 400, graph.FatePassing},
		{"", 0, 0, graph.FatePassing},
		{"", 0, 403, graph.FatePassing},
		{"invalid_scope", 70011, 400, graph.FatePassing},
		{"invalid_request", 90002, 400, graph.FatePassing},
		{"something_new", 1, 400, graph.FatePassing},
	} {
		err := fmt.Errorf("refresh: %w", refusal{tt.code, tt.number, tt.status})
		if got := graph.FateOf(err); got != tt.want {
			t.Errorf("%s, AADSTS%d, %d: %s, want %s", tt.code, tt.number, tt.status, got, tt.want)
		}
	}
	for _, err := range []error{errors.New("anything"), context.DeadlineExceeded} {
		if got := graph.FateOf(err); got != graph.FatePassing {
			t.Errorf("%v: %s", err, got)
		}
	}
}
