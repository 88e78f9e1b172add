package portal

import (
	"context"
)

// action serves one form.
type actions = map[string]func(context.Context, *visit) Answer

// install lists every page: who sees it, and its forms. A POST may come twice, for
// double clicks; each function says what the second does.
func (p *Portal) install() map[string]page {
	return map[string]page{
		// Anybody with a link.
		pageGo: {get: p.showLink, post: actions{"": p.followLink}},
		// Whoever left for Microsoft, with the flow's cookie.
		pageAttempt: {get: p.showAttempt, post: actions{"confirm": p.postAttempt, "decline": p.postAttempt, "signin": p.postAttempt, "more": p.postAttempt}},
	}
}
