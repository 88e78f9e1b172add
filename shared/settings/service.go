package settings

import "strings"

// service reads a connection string, or an endpoint with a managed identity, by
// the names that the Functions host uses for its own triggers.
func (r *reader) service(name, endpointName string, endpoint func(name, text string) string, check func(map[string]string) string) Service {
	var s Service
	text, direct := r.get(name)
	address, managed := r.get(endpointName)
	switch {
	case direct && managed:
		r.fault(endpointName, "is one too many beside %s: exactly one of the two", name)
	case !direct && !managed:
		r.fault(name, "is missing: %s or %s is needed", name, endpointName)
	case direct:
		if problem := checkConnection(text, check); problem != "" {
			r.fault(name, "%s", problem)
		}
		s.ConnectionString = Secret{text}
	default:
		s.Endpoint = endpoint(endpointName, address)
	}
	if credential, given := r.get(name + "__credential"); given && !strings.EqualFold(credential, "managedidentity") {
		r.fault(name+"__credential", "must be managedidentity")
	}
	s.ClientID = r.guid(name + "__clientId")
	return s
}

func checkConnection(text string, check func(map[string]string) string) (problem string) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimRight(text, ";"), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || strings.TrimSpace(name) == "" {
			return "must be a connection string: name=value, separated by semicolons"
		}
		parts[name] = value
	}
	return check(parts)
}

// checkTables asks for what aztables asks for (its connection_string.go).
func checkTables(parts map[string]string) (problem string) {
	switch {
	case parts["AccountName"] == "":
		return "must name AccountName; UseDevelopmentStorage is not understood, write it out"
	case parts["AccountKey"] == "" && parts["SharedAccessSignature"] == "":
		return "must hold AccountKey or SharedAccessSignature"
	}
	return ""
}

func checkServiceBus(parts map[string]string) (problem string) {
	switch {
	case !strings.HasPrefix(parts["Endpoint"], "sb://") || len(parts["Endpoint"]) == len("sb://"):
		return "must name Endpoint, beginning with sb://"
	case parts["EntityPath"] != "":
		return "must be that of the namespace, without EntityPath"
	case parts["SharedAccessSignature"] != "":
		return ""
	case parts["SharedAccessKeyName"] == "" || parts["SharedAccessKey"] == "":
		return "must hold SharedAccessKeyName and SharedAccessKey"
	}
	return ""
}

func (r *reader) tablesEndpoint(name, text string) string {
	if _, problem := address(text); problem != "" {
		r.fault(name, "%s", problem)
		return ""
	}
	return strings.TrimRight(text, "/")
}

func (r *reader) namespace(name, text string) string {
	if !domainShape.MatchString(text) {
		r.fault(name, "must be a host name such as example.servicebus.windows.net, without sb:// and slash")
	}
	return text
}
