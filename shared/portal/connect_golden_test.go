package portal

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// connectPages are every page of connecting, by the name of its golden file.
func connectPages(t testing.TB) map[string]func() shown {
	travel, warn := map[string]any(nil), map[string]any{"addressMatch": "warn"}
	with := func(settings map[string]any, do func(*site, *browser, shown) shown) func() shown {
		return func() shown {
			s := connectable(t, settings)
			b, apps := s.veras()
			return do(s, b, apps)
		}
	}
	connected := func(settings map[string]any, do func(*site, *browser, shown) shown) func() shown {
		return with(settings, func(s *site, b *browser, apps shown) shown {
			choice := "up:readwrite"
			b.press(b.returns(b.leaveWith(apps, choice), s.vera()), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
			return do(s, b, b.get(apps.path))
		})
	}
	dead := func(to connection.State, cause string) func() shown {
		return connected(travel, func(s *site, b *browser, apps shown) shown {
			s.dies(s.connections("u-17")[0], to, cause)
			return b.get(apps.path)
		})
	}
	back := func(settings map[string]any, pairs ...string) func() shown {
		return with(settings, func(s *site, b *browser, apps shown) shown {
			s.entra.errs["tenant"] = &identity.SignInError{Refusal: identity.WrongTenant, Tenant: fabrikam, UserName: "vera@fabrikam.example"}
			s.entra.errs["personal"] = &identity.SignInError{Refusal: identity.ConsumerAccount, UserName: "vera@outlook.com"}
			return b.fails(b.leaveAgain(apps), pairs...)
		})
	}
	asked := func(settings map[string]any, who func(*site) identity.SignedIn) func() shown {
		return with(settings, func(s *site, b *browser, apps shown) shown {
			return b.returns(b.leaveWith(apps, "up:readwrite"), who(s))
		})
	}
	bob := func(s *site) identity.SignedIn { return s.account(contoso, objectBob, "bob@acme.example") }
	vera := func(s *site) identity.SignedIn { return s.vera() }
	onPremises := func(s *site) identity.SignedIn {
		s.boxes.err = &graph.Error{Kind: graph.Unreachable, Reason: reason.MailboxOnPremises}
		return s.vera()
	}
	late := func(settings map[string]any, do func(*site, *browser, shown, string) shown) func() shown {
		return with(settings, func(s *site, b *browser, apps shown) shown {
			id := b.leaveAgain(apps).Get("state")[:26]
			s.now = s.now.Add(unfinishedAfter)
			return do(s, b, apps, "/api/portal/attempt/"+id)
		})
	}
	manager := func(do func(*site, *browser, shown) shown) func() shown {
		return func() shown {
			s := connectable(t, map[string]any{"profile": "rooms"})
			b := s.browser()
			return do(s, b, b.enter(s.link(state.RoomManager, nil)))
		}
	}
	admin := func(settings map[string]any, do func(*site, *browser, string) shown) func() shown {
		return func() shown {
			s := connectable(t, settings)
			b := s.browser()
			setup := b.enter(s.link(state.OrgAdmin, nil))
			return do(s, b, "/api/connect/start?grant="+strings.TrimPrefix(setup.path, "/api/portal/setup/"))
		}
	}
	return map[string]func() shown{
		"connect-start": with(travel, func(_ *site, b *browser, apps shown) shown { return b.get(apps.href("Connect Outlook calendar")) }),
		"connect-start-planning": with(planner, func(_ *site, b *browser, apps shown) shown {
			return b.get(apps.href("Connect Outlook calendar"))
		}),
		"connect-start-again": with(travel, func(s *site, b *browser, apps shown) shown {
			b.press(b.returns(b.leaveAgain(apps), s.vera()), "Yes, connect it", "answer", "yes")
			s.dies(s.connections("u-17")[0], connection.NeedsReauth, "700082")
			return b.get(b.get(apps.path).href("Connect again"))
		}),
		"connect-start-proof": admin(map[string]any{"profile": "training"}, func(_ *site, b *browser, start string) shown { return b.get(start) }),
		"connect-start-rooms": manager(func(_ *site, b *browser, rooms shown) shown { return b.get(rooms.href("Sign in")) }),
		"connect-question":    asked(travel, vera),
		"connect-question-both": with(map[string]any{"profile": "planning", "downSync": map[string]any{"privacy": "title"}}, func(s *site, b *browser, apps shown) shown {
			return b.returns(b.leaveWith(apps, "both:readwrite"), s.vera())
		}),
		"connect-question-address": asked(warn, bob),
		"connect-question-mailbox": asked(travel, onPremises),
		"connect-question-rooms": manager(func(s *site, b *browser, rooms shown) shown {
			return b.returns(b.leave(rooms, "Sign in"), s.account(contoso, objectVera, "rooms@acme.example", placeRead))
		}),
		"connect-question-proof": admin(nil, func(s *site, b *browser, start string) shown {
			s.boxes.err = &graph.Error{Kind: graph.Unreachable, Reason: reason.MailboxNotFound}
			return b.returns(b.press(b.get(start), "Continue to Microsoft").away("authorize"), s.vera())
		}),
		"end-connected": with(travel, func(s *site, b *browser, apps shown) shown {
			return b.press(b.returns(b.leaveAgain(apps), s.vera()), "Yes, connect it", "answer", "yes")
		}),
		"end-connected-mailbox": with(travel, func(s *site, b *browser, apps shown) shown {
			return b.press(b.returns(b.leaveAgain(apps), onPremises(s)), "Continue", "answer", "yes")
		}),
		"end-proven": admin(map[string]any{"profile": "training"}, func(_ *site, b *browser, start string) shown {
			who := identity.SignedIn{Tenant: contoso, ObjectID: objectVera, Name: "Vera Virtanen", UserName: "vera@acme.example"}
			return b.press(b.returns(b.press(b.get(start), "Continue to Microsoft").away("authorize"), who), "Yes, this is our Microsoft 365", "answer", "yes")
		}),
		"end-declined": with(travel, func(s *site, b *browser, apps shown) shown {
			return b.press(b.returns(b.leaveAgain(apps), s.vera()), "No, connect nothing", "answer", "no")
		}),
		"end-address":      asked(travel, bob),
		"end-approval":     back(travel, "error", "access_denied", "error_description", "AADSTS90094: x Correlation ID: 12345678-1234-1234-1234-123456789012 y"),
		"end-requested":    back(travel, "error", "access_denied", "error_description", "AADSTS90095: x"),
		"end-cancelled":    back(travel, "error", "access_denied", "error_subcode", "cancel"),
		"end-denied":       back(travel, "error", "access_denied"),
		"end-policy":       back(travel, "error", "interaction_required", "error_description", "AADSTS53003: x"),
		"end-passing":      back(travel, "error", "server_error"),
		"end-fault":        back(travel, "error", "invalid_scope", "error_description", "AADSTS70011: x"),
		"end-unverified":   back(travel),
		"end-other-tenant": back(travel, "code", "tenant"),
		"end-personal":     back(planner, "code", "personal"),
		"connect-wait": with(travel, func(_ *site, b *browser, apps shown) shown {
			return b.get("/api/portal/attempt/" + b.leaveAgain(apps).Get("state")[:26])
		}),
		"connect-wait-late": late(travel, func(_ *site, b *browser, _ shown, attempt string) shown { return b.get(attempt) }),
		"apps-none":         with(travel, func(_ *site, _ *browser, apps shown) shown { return apps }),
		"apps-connected":    connected(travel, func(_ *site, _ *browser, apps shown) shown { return apps }),
		"apps-planning": connected(planner, func(s *site, b *browser, apps shown) shown {
			q := b.leaveWith(apps, "down:details")
			b.press(b.returns(q, s.account(fabrikam, objectBob, "vera@fabrikam.example", "Calendars.Read")), "Continue", "answer", "yes").is(200, "Your calendar is connected")
			return b.get(apps.path)
		}),
		"apps-paused": connected(planner, func(_ *site, b *browser, apps shown) shown {
			return b.press(apps, "Nothing is written or read while it is paused")
		}),
		"apps-reauth":      dead(connection.NeedsReauth, "50173"),
		"apps-policy":      dead(connection.BlockedByPolicy, "53003"),
		"apps-unreachable": dead(connection.Unreachable, reason.MailboxOnPremises),
		"apps-unfinished":  late(travel, func(_ *site, b *browser, apps shown, _ string) shown { return b.get(apps.path) }),
		"apps-served": with(map[string]any{"profile": "training", "optOut": true}, func(s *site, b *browser, apps shown) shown {
			s.announce("u-17", "Vera Virtanen", "vera@gmail.com")
			return b.get(apps.path)
		}),
		"apps-sync-off":   with(map[string]any{"sync": false}, func(_ *site, _ *browser, apps shown) shown { return apps }),
		"apps-opted-out":  with(travel, func(_ *site, b *browser, apps shown) shown { return b.press(apps, "Switch off for me") }),
		"apps-disconnect": connected(travel, func(_ *site, b *browser, apps shown) shown { return b.get(apps.href("Disconnect")) }),
		"rooms":           manager(func(_ *site, _ *browser, rooms shown) shown { return rooms }),
		"trouble-no-sign-in": with(map[string]any{"profile": "training"}, func(_ *site, b *browser, apps shown) shown {
			return b.get("/api/connect/start?grant=" + strings.TrimPrefix(apps.path, "/api/portal/apps/"))
		}),
	}
}

// announce says who somebody is.
func (s *site) announce(user, name, email string) {
	s.t.Helper()
	if err := s.engine.Announce(s.t.Context(), "acme", []announce.Person{{User: user, Name: &name, Email: &email}}); err != nil {
		s.t.Fatal(err)
	}
}
