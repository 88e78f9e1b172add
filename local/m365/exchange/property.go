package exchange

import (
	"regexp"
	"strings"
)

// PropertyID is the id of a single-value extended property, taken apart (2.8).
type PropertyID struct {
	Type string // as String, Integer
	GUID string // lower case, no braces; "" of a proptag
	Kind string // Name, Id, or "" of a proptag
	Name string // exact
}

// Property is an extended property of an event.
type Property struct {
	ID    PropertyID
	Value string
}

const propertyTypes = `ApplicationTime|Binary|Boolean|CLSID|Currency|Double|Error|Float|Integer|Long|Null|Object|ObjectArray|Short|String|SystemTime`

var (
	named  = regexp.MustCompile(`^(?i:(` + propertyTypes + `))\s+\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?\s+(?i:(Name|Id))\s+(\S.*)$`)
	tagged = regexp.MustCompile(`^(?i:(` + propertyTypes + `))\s+(0x[0-9A-Fa-f]{4,8})$`)
)

// ParsePropertyID reads "String {guid} Name x", "String {guid} Id 0x8233" or
// "String 0x0037". It refuses everything else.
func ParsePropertyID(s string) (PropertyID, error) {
	s = strings.TrimSpace(s)
	if m := named.FindStringSubmatch(s); m != nil {
		id := PropertyID{Type: m[1], GUID: strings.ToLower(m[2]), Kind: "Name", Name: strings.TrimSpace(m[4])}
		if strings.EqualFold(m[3], "Id") {
			id.Kind, id.Name = "Id", strings.ToLower(id.Name)
			if !strings.HasPrefix(id.Name, "0x") {
				return PropertyID{}, errPropertyID()
			}
		}
		return id, nil
	}
	if m := tagged.FindStringSubmatch(s); m != nil {
		return PropertyID{Type: m[1], Name: strings.ToLower(m[2])}, nil
	}
	return PropertyID{}, errPropertyID()
}

func errPropertyID() *Error {
	return invalid("ErrorInvalidRequest", "PropertyId values may only be in one of the following formats: 'MapiPropertyType namespaceGuid Name propertyName', 'MapiPropertyType namespaceGuid Id propertyId' or 'MapiPropertyType propertyTag'.")
}

// Same compares type and GUID without regard to case, the name exactly.
func (p PropertyID) Same(q PropertyID) bool {
	return p.Kind == q.Kind && p.Name == q.Name && p.GUID == q.GUID && strings.EqualFold(p.Type, q.Type)
}

// String writes the id with its GUID in lower case and single spaces, as the
// service may (2.8, id drift).
func (p PropertyID) String() string {
	if p.Kind == "" {
		return p.Type + " " + p.Name
	}
	return p.Type + " {" + p.GUID + "} " + p.Kind + " " + p.Name
}

// setProperties returns old with set's values added or replaced, in new memory.
func setProperties(old, set []Property) []Property {
	result := make([]Property, 0, len(old)+len(set))
	result = append(result, old...)
next:
	for _, p := range set {
		for i := range result {
			if result[i].ID.Same(p.ID) {
				result[i].Value = p.Value
				continue next
			}
		}
		result = append(result, p)
	}
	return result
}
