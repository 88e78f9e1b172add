package portal

// glossary are the words of Microsoft's own pages that our texts name, by the name of
// their placeholder, each with the text of the catalogue that says it in the reader's
// language and where it was read. Nothing is named that is not here: what a button
// is called is Microsoft's to say (identity.md section 5).
//
// The consent page's buttons are those of the page "Consent experience for applications
// in Microsoft Entra ID"; the words of the refusal are quoted by an independent page
// that shows it.
var glossary = map[string]source{
	"ms-accept":          {"microsoft.accept", "https://learn.microsoft.com/entra/identity-platform/application-consent-experience"},
	"ms-cancel":          {"microsoft.cancel", "https://learn.microsoft.com/entra/identity-platform/application-consent-experience"},
	"ms-approval":        {"microsoft.approval", "https://sprocket365.com/docs/troubleshooting/needs-admin-approval"},
	"ms-return":          {"microsoft.return", "https://sprocket365.com/docs/troubleshooting/needs-admin-approval"},
	"ms-my-apps":         {"microsoft.my-apps", "https://sysosx.com/index.php/2025/03/02/how-to-revoke-user-consent-from-applications-via-my-apps"},
	"ms-enterprise-apps": {"microsoft.enterprise-apps", "https://learn.microsoft.com/entra/identity/enterprise-apps/manage-application-permissions"},
	"ms-entra-center":    {"microsoft.entra-center", "https://learn.microsoft.com/entra/identity/enterprise-apps/manage-application-permissions"},
}

// source is a word's key and where it was read.
type source struct{ key, page string }
