package infra

// Setting is an app setting: who reads it, whether it must be there, and where its
// value comes from on a developer's machine and in Azure.
//
// All members are always written, so that Bicep sees one type. infra/app turns the
// list into the app's settings by itself; nothing names them a second time.
type Setting struct {
	Name string `json:"name"`
	// Reader is who reads it: the program (cmd/handler), or the Functions host, which
	// starts it.
	Reader string `json:"reader"`
	// Need is "required", "optional", "alternative" (exactly one of its Group's
	// alternatives) or "together" (all of its Group or none).
	Need string `json:"need"`
	// Group joins alternatives, what goes with them, and what goes together; or "".
	Group string `json:"group"`
	// Secret values stand in Key Vault in Azure and are never printed.
	Secret bool `json:"secret"`
	// Local is what local.settings.sample.json does with it: "value" (a value that runs
	// as it is), "empty" (named, no value) or "absent".
	Local string `json:"local"`
	// Azure is where a deployed app has it from.
	Azure Source `json:"azure"`
}

// Source is where the value of a setting comes from in Azure.
type Source struct {
	// From is one of the constants below.
	From string `json:"from"`
	// Value is, by From: the text itself; the name of a value that the deployment
	// computes or takes as a parameter; the name of the secret in Key Vault; or "".
	Value string `json:"value"`
	// When limits it to one way of proving the app to Entra: "identity", "secret" or
	// "certificate". "" is always.
	When string `json:"when"`
}

// The sources of a Setting in Azure.
const (
	FromLiteral  = "literal"  // Value is the text
	FromValue    = "value"    // Value is a name in the object of values that infra/app is given
	FromKeyVault = "keyVault" // Value is the name of a secret: a Key Vault reference
	FromHost     = "host"     // the Functions host sets it for its handler
	FromNowhere  = "none"     // it is not set in Azure
)
