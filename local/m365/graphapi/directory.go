package graphapi

import (
	"net/http"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Profile is a user as the directory shows it.
type Profile struct {
	ID, Principal, Name, Mail string
}

// Organization is a tenant as the directory shows it.
type Organization struct {
	ID, Name string
	Domains  []string // verified; the first one is the default
}

// Directory knows tenants and users, also those without a mailbox.
type Directory interface {
	// Profiles lists a tenant's users.
	Profiles(tenant string) []Profile
	// Profile finds one by object id, principal name or mail.
	Profile(tenant, user string) (Profile, bool)
	// Organization is false for an unknown tenant.
	Organization(tenant string) (Organization, bool)
}

// noDirectory knows nobody.
type noDirectory struct{}

func (noDirectory) Profiles(string) []Profile              { return nil }
func (noDirectory) Profile(string, string) (Profile, bool) { return Profile{}, false }
func (noDirectory) Organization(string) (Organization, bool) {
	return Organization{}, false
}

// listProfiles, oneProfile and organization answer what only a signed-in user's token
// opens (section 12, own profile and users).
func (a *API) listProfiles(r *request) answer {
	var all []object
	for _, p := range a.opt.Directory.Profiles(r.caller.Tenant) {
		all = append(all, encodeProfile(p))
	}
	return r.directory("users", all, false)
}

func (a *API) oneProfile(r *request, route Route) answer {
	p, known := a.opt.Directory.Profile(r.caller.Tenant, route.User)
	if !known {
		return r.refusal(http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+clip(route.User)+"' does not exist or one of its queried reference-property objects are not present.", "")
	}
	return r.directory("users/$entity", []object{encodeProfile(p)}, true)
}

func (a *API) organization(r *request) answer {
	o, known := a.opt.Directory.Organization(r.caller.Tenant)
	if !known {
		return r.refusal(http.StatusNotFound, "Request_ResourceNotFound", "Resource does not exist.", "")
	}
	domains := make([]object, 0, len(o.Domains))
	for i, name := range o.Domains {
		domains = append(domains, object{{"name", name}, {"isDefault", i == 0}, {"isInitial", false}})
	}
	return r.directory("organization", []object{{{"id", o.ID}, {"displayName", o.Name}, {"verifiedDomains", domains}}}, false)
}

func encodeProfile(p Profile) object {
	return object{{"displayName", p.Name}, {"mail", orNull(p.Mail)}, {"userPrincipalName", p.Principal}, {"id", p.ID}}
}

// directory answers with entries, all of the same members, or with the only one.
func (r *request) directory(what string, all []object, single bool) answer {
	found, err := options(r.query)
	if err != nil {
		return r.fail(err)
	}
	if s, ok := found["select"]; ok && len(all) > 0 {
		selected, err := selectOf(s, all[0])
		if err != nil {
			return r.fail(err)
		}
		for i := range all {
			all[i] = selectMembers(all[i], selected)
		}
	}
	context := member{"@odata.context", r.base + "/$metadata#" + what}
	if single {
		return ok(http.StatusOK, append(object{context}, all[0]...))
	}
	if all == nil {
		all = []object{}
	}
	return ok(http.StatusOK, object{context, {"value", all}})
}

// mayRead reports whether a signed-in user's token opens a part of the directory: the
// own profile and the organization with User.Read, other users with User.ReadBasic.All
// or User.Read.All. An app's token opens none, whatever its roles (design.md).
func (r *request) mayRead(route Route, user string) bool {
	if r.caller.appOnly() {
		return false
	}
	others := r.caller.has("User.Read.All") || r.caller.has("User.ReadBasic.All")
	switch {
	case route.Kind == Organizations:
		return r.caller.has("User.Read") || r.caller.has("User.Read.All")
	case route.Kind == Person && r.caller.is(user):
		return others || r.caller.has("User.Read")
	}
	return others
}

// absent is the refusal of the mailbox of someone who is in the directory and has
// none; nil for anyone else.
func (a *API) absent(r *request, route Route) error {
	if _, err := a.store.User(r.caller.Tenant, route.User); err == nil {
		return nil
	}
	if _, known := a.opt.Directory.Profile(r.caller.Tenant, route.User); !known {
		return nil
	}
	return &exchange.Error{Status: http.StatusNotFound, Code: "MailboxNotEnabledForRESTAPI",
		Message: "The mailbox is either inactive, soft-deleted, or is hosted on-premise."}
}
