package m365

import (
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// people shows Exchange's users to Entra: whoever has a mailbox, or is known to have
// none, can sign in.
type people struct{ store *exchange.Store }

var _ entra.People = people{}

func (p people) People(tenant string) []entra.User {
	var all []entra.User
	for _, u := range p.store.Users(tenant) {
		all = append(all, entra.User{ObjectID: u.ObjectID, Principal: u.Principal, Name: u.Name, Mail: u.Mail})
	}
	return all
}

// The accounts that every tenant has in Entra and that have no mailbox, by the part
// before the @ of the tenant's first domain.
const (
	Admin    = "admin"           // Global Administrator
	AppAdmin = "cloud-app-admin" // Cloud Application Administrator, nothing else
	Employee = "employee"        // nobody's administrator
)

// PersonalAccount is one of nobody's tenant.
const PersonalAccount = "pat@outlook.example"

// staff makes those accounts.
func (s *Server) staff(tenant, domain string) {
	for _, u := range []entra.User{
		{Principal: Admin, Name: "Ada Admin", Roles: []string{entra.GlobalAdministrator}},
		{Principal: AppAdmin, Name: "Clive Cloud", Roles: []string{entra.CloudApplicationAdministrator}},
		{Principal: Employee, Name: "Erin Employee"},
	} {
		u.Principal += "@" + domain
		u.Mail = u.Principal
		s.Entra.AddUser(tenant, u)
	}
}
