// Package portal is the pages that people see: links, sessions, consent, connect,
// set-up. It speaks HTTP in and out, keeps no state between requests, and decides
// nothing about consent or connections: that is the engine's.
//
// # How a page is made
//
// A request comes with what the route matched: page, id and action of
// portal/{page}/{id}/{action}. A page is listed in pages (install.go) with who may see
// it: anybody (its own function finds out), or sessions of named roles. The function
// gets a visit, which has the session, the organisation and the reader's language,
// and returns an [Answer]: usually visit.page with the name of a file in templates
// and its data. Every text comes from the catalogue in texts, one folder a language,
// one file a part: a template says {{$.T "key" "name" value}}.
//
// Everything works without JavaScript. The script, assets/portal.js, copies a link
// into the clipboard and reads the parts of a page marked data-live again.
//
// # Who is it (identity.md section 1)
//
// A link is exchanged for a session: a cookie named by the grant, with 32 random
// bytes, of which the row has the SHA-256. The path of every page of the session
// names the grant, so that one person can be org admin in one tab and traveller in
// another. An attempt to sign in or to consent has a cookie of its own, named by the
// flow. A third cookie, form, is no grant of anything: it ties the form of a link's
// page to the browser that was shown it, so that the exchange can be repeated by that
// browser (a double click, the back button) and by no other.
//
// # Connecting (identity.md section 3)
//
// connect/start says what will be asked before anybody leaves; connect/callback takes
// the answer, looks at the mailbox with the token at hand, and stores nothing but, sealed
// and for ten minutes, what the confirmation needs; attempt/<flow> asks whose calendar is
// to be connected to whom, and ends with a page that says what came of it. Files
// connect_*.go: choice and decide are pure, journey is what an attempt remembers. The
// organisation admin's sign-in is the same with a proof of the tenant before it.
// apps/<grant> is "Connected apps"; with ?calendars=<connection> it lists the calendars of
// an account, one request to Graph for 100 of them, and takes the choice (R6). What was
// ticked before, or is the account's own calendar alone, is stored without asking Graph.
//
// By which name Microsoft is asked for a permission is said at package connection. Where
// accounts of any tenant are taken, whose tenant an address is of is asked of Entra before
// somebody leaves, if that can spare them a question.
//
// # Forms
//
// Every POST carries a token made over the page's path and the cookie that the page
// goes by. Sec-Fetch-Site, where the browser sends it, must say same-origin; else
// Origin, where it is sent, must be ours or null, because pages without a referrer
// send null with their own forms (Fetch, append a request Origin header). Bodies are
// at most 64 KiB.
//
// # Headers
//
// No inline script or style, never framed, no referrer, nothing personal cached
// (identity.md section 5). form-action names Microsoft's and the return origins,
// because browsers hold redirects after a POST to it.
//
// # Guessed
//
// How long a session lasts (8 hours). That a person is who is expected where either their
// user name or their mailbox's address is the link's, or the app's account for them; an
// alias that is neither is another address. That Entra does not redirect to a federated
// sign-in server in answer to the very request that a form led to: form-action would
// stop it in Chromium. HEAD would be served like GET, without a body; the host
// lets none through (design.md names only GET and POST).
package portal
