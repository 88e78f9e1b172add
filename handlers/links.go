package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/problem"
)

// Linker makes links to pages; *link.Issuer does. link.ErrUnknownOrganization,
// link.ErrModuleOff: for that organisation there are none.
type Linker interface {
	Issue(ctx context.Context, r link.Request) (link.Issued, error)
	// Origins are where people may be sent back to.
	Origins() []string
}

// links is the function Links.
type links struct{ linker Linker }

func (l links) post(ctx context.Context, r *request) answer {
	body, bad := r.body(link.MaxDocument, "application/json")
	if bad != nil {
		return *bad
	}
	wanted, faults := link.Decode(body, l.linker.Origins())
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "No link was made; errors says what is wrong.", faults...)
	}
	issued, err := l.linker.Issue(ctx, wanted)
	switch {
	case errors.Is(err, link.ErrUnknownOrganization):
		return problemAnswer(codeInvalid, "No link was made; errors says what is wrong.", problem.Fault{Pointer: "/organization",
			Code: "unknown-organization", Detail: "There is no such organisation; make it first with PUT organizations/{organization}."})
	case errors.Is(err, link.ErrModuleOff):
		return problemAnswer(codeConflict, "The integration is not enabled for this organisation (module is false): no link works before it is.")
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: map[string]any{"url": issued.URL, "expiresAt": issued.Expires}}
}
