package entra

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// sessionCookie names the browser's session with Entra. Cookies of one host are
// shared by all its ports, so the name is not one that an application would use.
const sessionCookie = "SIMENTRA"

// session is a browser in which people have signed in.
type session struct {
	cookie string
	sid    string // as id tokens carry it
	people []*signedIn
}

// signedIn is one account's sign-in in a browser.
type signedIn struct {
	home   *account // the account of the person's own tenant
	at     time.Time
	number int64 // of s.issued, to be compared with account.revoked
	mfa    bool
}

// secret is 256 random bits as text.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// session finds the browser's session; nil without one. It needs the lock.
func (s *Server) session(r *http.Request) *session {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	return s.sessions[c.Value]
}

// signIn adds an account to a session, which it makes where there is none, with a
// new cookie in either case. It needs the lock.
func (s *Server) signIn(ses *session, home *account) (*session, *signedIn) {
	if ses == nil {
		ses = &session{sid: uuid.NewString()}
	}
	delete(s.sessions, ses.cookie)
	ses.cookie = secret()
	s.sessions[ses.cookie] = ses
	s.issued++
	who := &signedIn{home: home, at: s.now(), number: s.issued}
	ses.people = slices.DeleteFunc(ses.people, func(p *signedIn) bool { return p.home == home })
	ses.people = append([]*signedIn{who}, ses.people...)
	return ses, who
}

// live lists who is signed in and need not sign in again for a tenant; nil stands for
// each person's own. It needs the lock.
func (s *Server) live(ses *session, t *tenant) []*signedIn {
	if ses == nil {
		return nil
	}
	var all []*signedIn
	for _, p := range ses.people {
		of := t
		if of == nil {
			of = p.home.tenant
		}
		frequency := of.policy.SignInFrequency
		if p.number > p.home.revoked && (frequency == 0 || s.now().Sub(p.at) < frequency) {
			all = append(all, p)
		}
	}
	return all
}

// logout ends the browser's session and, where the address is an app's, goes back to
// it.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	values, number := parameters(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses := s.session(r); ses != nil {
		delete(s.sessions, ses.cookie)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	to := values.Get("post_logout_redirect_uri")
	known := false
	for _, app := range s.apps {
		known = known || slices.Contains(app.RedirectURIs, to)
	}
	if number == 0 && known {
		out := &outcome{back: &reply{to: to, values: nonEmpty("state", values.Get("state"))}}
		out.write(w)
		return
	}
	(&outcome{page: "signedout.html", status: http.StatusOK, data: view{Title: "You signed out of your account"}}).write(w)
}
