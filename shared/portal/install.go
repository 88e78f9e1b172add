package portal

import (
	"context"

	"github.com/calbridge/calbridge/shared/state"
)

// action serves one form.
type actions = map[string]func(context.Context, *visit) Answer

// install lists every page: who sees it, and its forms. A POST may come twice, for
// double clicks; each function says what the second does.
func (p *Portal) install() map[string]page {
	return map[string]page{
		// Anybody with a link.
		pageGo: {get: p.showLink, post: actions{"": p.followLink}},
		// Org admins, while they set up and when somebody asks; the script polls it.
		pageSetup: {roles: []string{state.OrgAdmin}, get: p.showSetup, post: actions{"link": p.replaceLink, "sync": p.setSync, "probe": p.probeSetup, "held": p.decideHeld}},
		// Travellers, learners and planners, now and then.
		pageApps: {roles: []string{state.LinkUser}, get: p.showApps, post: actions{"change": p.changeApp, "pause": p.pauseApp,
			"primary": p.primaryApp, "disconnect": p.disconnectApp, "dismiss": p.dismissOffer, "optout": p.optOut, "optin": p.optIn, "calendars": p.chooseCalendars, "sync": p.syncApp}},
		// Room managers, once.
		pageRooms: {roles: []string{state.RoomManager}, get: p.showRooms},
		// Whoever left for Microsoft, with the flow's cookie.
		pageAttempt: {get: p.showAttempt, post: actions{"confirm": p.postAttempt, "decline": p.postAttempt, "signin": p.postAttempt, "more": p.postAttempt, "probe": p.postAttempt, "answer": p.postAttempt}},
	}
}
