package graphapi

import (
	"net/http"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// look notes which mailboxes are looked at and how, so that a suite can fail where one
// was that may only be written to. A search for what is one's own, by mark or iCalUId, is
// no list.
func (a *API) look(r *request, route Route, mailbox string) {
	kind := map[Kind]string{Events: exchange.LookList, View: exchange.LookView, Delta: exchange.LookDelta,
		Instances: exchange.LookInstances, Calendars: exchange.LookCalendars}[route.Kind]
	if r.method != http.MethodGet || kind == "" {
		return
	}
	if found, err := options(r.query); err == nil && kind == exchange.LookList {
		filter := strings.ToLower(found["filter"])
		if strings.Contains(filter, "extendedproperties") || strings.Contains(filter, "icaluid") {
			kind = exchange.LookSearch
		}
	}
	a.store.Looked(r.caller.Tenant, mailbox, route.Calendar, kind)
}
