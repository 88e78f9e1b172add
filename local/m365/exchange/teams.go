package exchange

import (
	"strings"
)

// separator is the line above and below what Teams writes into a body.
const separator = `<div style="width:100%"><span style="white-space:nowrap; color:#5F5F5F; opacity:.36">________________________________________________________________________________</span></div>`

// teamsBlock is what Teams appends to the body of an online meeting. Its exact
// markup changes every year; the separators and the link have been there since 2017.
func teamsBlock(url string) string {
	return "\r\n<br>\r\n" + separator +
		`<div style="color:#252424; font-family:'Segoe UI','Helvetica Neue',Helvetica,Arial,sans-serif" lang="en-US">` +
		`<div style="margin-bottom:24px"><span style="font-size:24px; font-weight:700">Microsoft Teams</span> <a href="https://aka.ms/JoinTeamsMeeting?omkt=en-US">Need help?</a></div>` +
		`<div><a href="` + url + `" style="font-size:20px; font-weight:600">Join the meeting now</a></div>` +
		`<div>Meeting ID: 300 123 456 789 &nbsp; Passcode: aB3xYz</div></div>` + separator + "\r\n"
}

// meet makes an online meeting of e once, and ends it when its link is taken out
// of the body: "editing body must keep the meeting blob or the meeting goes
// offline" (2.2).
func (s *Store) meet(e *Event, body bool) {
	switch {
	case e.OnlineMeeting && e.JoinURL == "" && !e.offline:
		e.JoinURL = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + derived("teams", e.Created.String(), e.Subject).String() + "%40thread.v2/0"
		e.OnlineMeetingProvider = "teamsForBusiness"
		at := strings.LastIndex(e.Body, "</body>")
		if at < 0 {
			at = len(e.Body)
		}
		e.Body = rewrite(Body{Content: e.Body[:at] + teamsBlock(e.JoinURL) + e.Body[at:]}, s.switches.Rewriting)
	case body && e.JoinURL != "" && !strings.Contains(e.Body, e.JoinURL):
		e.JoinURL, e.offline = "", true
	}
}
