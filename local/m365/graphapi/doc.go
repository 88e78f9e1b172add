// Package graphapi is Microsoft Graph v1.0, as far as Calbridge uses its calendar
// side, as an http.Handler over an exchange.Store.
//
// # What it serves
//
// Below /v1.0: organization, users, me. For /me and /users/{object id or address}, in
// every spelling of graph/contract.md section 1: the profile, calendar and calendars (read), events (create,
// list, get, update, delete, permanentDelete, instances), each also below calendar,
// calendars/{id} and calendarGroups/{id}/calendars/{id}; calendarView and its delta; $batch;
// subscriptions.
// Every other path that Graph has is 501 NotImplemented, what no Graph has is 400.
//
// # Rules and their source
//
//   - Paths, query names, Prefer, paging, headers: section 1. A plus sign in a
//     query is a plus sign (2.8, encoding).
//   - Statuses and bodies: 2.1, 2.2, in the order of the official sample of POST
//     /me/events. Extended properties come only where $expand asks (2.8).
//   - $batch: section 7. Its items wait for the four slots of a mailbox; a request
//     of its own that finds four running gets 429 (section 8, write-path.md 4).
//   - Series: 3.3 and 3.6. Their occurrences are in calendarView and instances, and have
//     ids by which they are read, changed and deleted. exceptionOccurrences is not there.
//   - Errors: section 9. Error bodies have code, message and innerError, except
//     where a fault asks for another shape.
//   - Permissions: section 12 and design.md. An app's token may not read
//     /users/{id} nor /organization, ever; a user's token reads the own profile and
//     the organization with User.Read.
//   - A user's token opens the own mailbox, whatever name the path has for it, and
//     with a .Shared permission those that were shared (exchange.Store.Share).
//     ReadBasic hides bodies and extended properties.
//   - Calendars are listed with $select, $top, $skip, $count, ten to a page. The list has
//     others' calendars that are shared with the owner, under ids of the list, where the
//     token has a .Shared permission; what lies below such an id is the owner's
//     (sections 5 and 12). Ids of calendars are the same whatever Prefer says (10).
//   - calendarView/delta: section 4, of which package changes has what is told, and this
//     package the shapes, the options that are refused and the links. ReadBasic is enough.
//   - subscriptions: section 6, of which package notify has all but the JSON and who may.
//   - What is private is hidden from those who share a calendar and may not edit it (2.10).
//   - Every look at a mailbox is counted (exchange.Store.Looks).
//   - Ids are mutable ones unless Prefer asks for immutable ones (section 10).
//
// # Guessed or decided
//
//   - A property that the CSDL does not have is refused, though event is an open
//     type; so is one that clients may not write. Annotations are ignored.
//   - Members of enumerations are read without regard to case.
//   - $filter knows extended properties, iCalUId, subject, start, end, created and
//     modified times and a few scalars; others are refused, transactionId too.
//   - $orderby takes the same names; $search is refused.
//   - An item of a $batch that a fault cuts off is answered 504 UnknownError.
//   - A .Shared permission is not one for the own mailbox. What was not shared is 404
//     ErrorItemNotFound. ReadBasic opens lists and calendars (Options.ListsNeedRead),
//     but neither one event nor calendarView (Options.BasicReads), and may not filter by an extended
//     property.
//   - Who is in the directory without a mailbox gets MailboxNotEnabledForRESTAPI.
//   - A subscription takes Calendars.Read or ReadWrite, also to be renewed; a resource with
//     a query, and resource data, are left out (501). So is events/delta, which is not to
//     be relied on. creatorId of an app's subscription is the app's id.
//   - A private event of another's is called "Private Appointment".
//   - The calendar group in a path is not looked at.
//   - The items of a $batch run one after the other, in an order drawn from the
//     seed, unless latency or a slow fault is set; then four at a time. A late
//     request waits for a slot, is not looked at again for its token, and counts
//     as the request it was.
//   - An occurrence that would come on or beyond the day of a neighbour is 400
//     ErrorOccurrenceCrossingBoundary. An event that is no series has no instances.
//   - In an answer to POST and PATCH, times are in UTC too unless Prefer says else.
package graphapi
