package web

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// version answers with the version of a mailbox, which the script of its week compares
// with that of the page.
func (p *Pages) version(w http.ResponseWriter, r *http.Request) {
	tenant, user := r.URL.Query().Get("tenant"), r.URL.Query().Get("user")
	u, err := p.store.User(tenant, user)
	if err != nil {
		http.Error(w, "no such mailbox", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, versionOf(u, p.store.Events(tenant, user)))
}

// versionOf is another one after every change of a mailbox.
func versionOf(u exchange.User, events []exchange.Event) string {
	h := fnv.New64a()
	fmt.Fprintln(h, u.Name, u.Mail, u.State, u.TimeZone)
	for _, e := range events {
		fmt.Fprintln(h, e.ID, e.ChangeKey)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
