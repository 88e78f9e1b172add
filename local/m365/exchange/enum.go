package exchange

import "strings"

// Enum returns the canonical spelling of a member of one of the enumerations of
// the CSDL that events use. Graph reads them without regard to case (section 1).
func Enum(name, value string) (string, bool) {
	for _, member := range members(name) {
		if strings.EqualFold(member, value) {
			return member, true
		}
	}
	return "", false
}

func members(enum string) []string {
	switch enum {
	case "freeBusyStatus":
		return []string{"unknown", "free", "tentative", "busy", "oof", "workingElsewhere"}
	case "calendarColor":
		return []string{"auto", "lightBlue", "lightGreen", "lightOrange", "lightGray", "lightYellow", "lightTeal", "lightPink",
			"lightBrown", "lightRed", "maxColor"}
	case "sensitivity":
		return []string{"normal", "personal", "private", "confidential"}
	case "importance":
		return []string{"low", "normal", "high"}
	case "bodyType":
		return []string{"text", "html"}
	case "attendeeType":
		return []string{"required", "optional", "resource"}
	case "locationType":
		return []string{"default", "conferenceRoom", "homeAddress", "businessAddress", "geoCoordinates",
			"streetAddress", "hotel", "restaurant", "localBusiness", "postalAddress"}
	case "locationUniqueIdType":
		return []string{"unknown", "locationStore", "directory", "private", "bing"}
	case "onlineMeetingProviderType":
		return []string{"unknown", "teamsForBusiness", "skypeForBusiness", "skypeForConsumer"}
	case "dayOfWeek":
		return []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	case "weekIndex":
		return []string{"first", "second", "third", "fourth", "last"}
	case "recurrencePatternType":
		return []string{"daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"}
	case "recurrenceRangeType":
		return []string{"endDate", "noEnd", "numbered"}
	}
	return nil
}

// member reports whether value is the canonical spelling of a member.
func member(enum, value string) bool {
	canonical, ok := Enum(enum, value)
	return ok && canonical == value
}
