package organization

import (
	"slices"

	"github.com/calbridge/calbridge/shared/connection"
)

// Ask is what an administrator of a tenant is asked for (identity.md section 2).
type Ask struct {
	// SignInOnly asks for no permission at all: the administrator signs in, so that the
	// app exists in the tenant, and limits it in Exchange (consent: scoped).
	SignInOnly bool
	// Application asks for what the registration names (/.default).
	Application bool
	// Scopes are delegated permissions of Graph by short name; openid, profile and
	// offline_access go without saying.
	Scopes []string
	// Then are delegated permissions to ask for once more after an Application one,
	// because it may replace what other organisations of the tenant were granted.
	Then []string
}

// Need is an organisation with the directions of its connections.
type Need struct {
	Organization Organization
	Directions   []connection.Direction
}

// permissions are the delegated permissions that an organisation needs:
// Calendars.Read where every connection that there is reads only.
func (n Need) permissions() []string {
	if n.Organization.Permission != Delegated {
		return nil
	}
	writes := func(d connection.Direction) bool { return d == connection.Up || d == connection.Both }
	calendars := "Calendars.ReadWrite"
	if slices.Contains(n.Directions, connection.Down) && !slices.ContainsFunc(n.Directions, writes) {
		calendars = "Calendars.Read"
	}
	return []string{"User.Read", calendars}
}

// AskFor is what the administrator is asked for on behalf of an organisation,
// together with what the other organisations of the tenant need: a new consent may
// replace what was granted.
func AskFor(own Need, others []Need) Ask {
	var ask Ask
	if own.Organization.Permission == Application && own.Organization.Consent == "scoped" {
		return Ask{SignInOnly: true}
	}
	union := own.permissions()
	for _, n := range others {
		union = append(union, n.permissions()...)
	}
	union = least(union)
	if own.Organization.Permission == Application {
		ask.Application, ask.Then = true, union
		return ask
	}
	ask.Scopes = union
	return ask
}

// least sorts permissions and leaves out what another includes.
func least(permissions []string) []string {
	slices.Sort(permissions)
	permissions = slices.Compact(permissions)
	if slices.Contains(permissions, "Calendars.ReadWrite") {
		permissions = slices.DeleteFunc(permissions, func(p string) bool { return p == "Calendars.Read" })
	}
	return permissions
}

// Names are the permissions of the ask as state.grantedScopes shows them.
func (a Ask) Names() []string {
	if a.Application {
		return least(append([]string{"Calendars.ReadWrite"}, a.Then...))
	}
	return a.Scopes
}

// Added are the permissions that were added after a version of the set, by name;
// none where the version is today's. The page of a consent-outdated organisation
// lists them alone.
func Added(since int) []string {
	var added []string
	for _, set := range permissionSets[min(max(since, 0), len(permissionSets)):] {
		added = append(added, set...)
	}
	return added
}

// permissionSets are what each version of the set added to the one before;
// PermissionSet is how many there are.
var permissionSets = [PermissionSet][]string{
	{"Calendars.ReadWrite"},
}
