package event

import "strings"

// words are the labels of the body, and of titles (A22).
type words struct{ when, where, organizer, responsible, participants, product, cancelled string }

// wordsOf returns the words of a language; only the part of the locale before the
// first hyphen or underscore counts. Unknown and empty are English.
func wordsOf(locale string) words {
	language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "_", "-"), "-")
	switch language {
	case "de":
		return words{"Zeit", "Ort", "Organisation", "Verantwortlich", "Teilnehmende", "Gebucht über", "Abgesagt"}
	case "fi":
		return words{"Aika", "Paikka", "Järjestäjä", "Vastuuhenkilö", "Osallistujat", "Varattu palvelussa", "Peruttu"}
	case "ja":
		return words{"日時", "場所", "主催者", "責任者", "参加者", "予約元", "キャンセル"}
	case "nb", "no":
		return words{"Tid", "Sted", "Arrangør", "Ansvarlig", "Deltakere", "Bestilt via", "Avlyst"}
	case "ru":
		return words{"Время", "Место", "Организатор", "Ответственный", "Участники", "Забронировано через", "Отменено"}
	}
	return words{"Time", "Place", "Organiser", "Responsible", "Participants", "Booked with", "Cancelled"}
}
