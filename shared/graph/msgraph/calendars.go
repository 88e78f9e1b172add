package msgraph

import (
	"context"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

const (
	// folderTop is how many calendars one page is asked for.
	folderTop = 100
	// maxFolderPages bounds how far next links are followed: Graph may give ten to a page.
	maxFolderPages = graph.MaxFolders / 10
)

var _ graph.Calendars = (*Client)(nil)

// selectFolder are the properties that are asked for; $select works for declared ones
// (contract 1), and these are in the CSDL.
var selectFolder = []string{"id", "name", "color", "isDefaultCalendar", "canEdit", "owner"}

// wireFolder is what is read of a calendar.
type wireFolder struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Color   string `json:"color"`
	Default bool   `json:"isDefaultCalendar"`
	CanEdit bool   `json:"canEdit"`
	Owner   struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"owner"`
}

// Calendars implements graph.Calendars.
func (c *Client) Calendars(ctx context.Context, as graph.Access, mailbox string) ([]graph.Folder, error) {
	next, err := c.foldersRequest(ctx, as.Path(mailbox))
	if err != nil {
		return nil, refused(err)
	}
	all := folders{seen: map[string]bool{}}
	for range maxFolderPages {
		answers, failure := c.authorised(ctx, as, []request{next})
		if failure != nil {
			return nil, failure
		}
		link, failure := all.add(answers[0])
		switch {
		case failure != nil:
			return nil, failure
		case link == "":
			return all.ordered(), nil
		}
		if next, err = c.nextPage(link); err != nil {
			return nil, &graph.Error{Kind: graph.Transient, Status: answers[0].status, Cause: err}
		}
	}
	return nil, &graph.Error{Kind: graph.Transient, Cause: errEndless}
}

func (c *Client) foldersRequest(ctx context.Context, mailbox string) (request, error) {
	user, err := c.user(mailbox)
	if err != nil {
		return request{}, err
	}
	top := int32(folderTop)
	info, err := user.Calendars().ToGetRequestInformation(ctx, &users.ItemCalendarsRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.ItemCalendarsRequestBuilderGetQueryParameters{Select: selectFolder, Top: &top},
	})
	return finish(info, err, "")
}

// folders gathers pages.
type folders struct {
	list []graph.Folder
	seen map[string]bool
}

// add reads a page and returns the link to the next one. A page that brings nothing new
// and leads on is the beginning of a circle.
func (f *folders) add(a answer) (next string, failure *graph.Error) {
	if failure := a.err(graph.Call{}); failure != nil {
		return "", failure
	}
	var page struct {
		Value    *[]wireFolder `json:"value"`
		NextLink string        `json:"@odata.nextLink"`
	}
	if a.decode(&page) != nil || page.Value == nil {
		return "", unreadable(a)
	}
	before := len(f.list)
	for _, w := range *page.Value {
		if w.ID == "" || len(w.ID) > graph.MaxFolderID {
			return "", unreadable(a)
		}
		if !f.seen[w.ID] {
			f.seen[w.ID] = true
			f.list = append(f.list, w.folder())
		}
	}
	if len(f.list) > graph.MaxFolders || page.NextLink != "" && len(f.list) == before {
		return "", &graph.Error{Kind: graph.Transient, Status: a.status, Cause: errEndless}
	}
	return page.NextLink, nil
}

func (w wireFolder) folder() graph.Folder {
	return graph.Folder{ID: w.ID, Name: w.Name, Default: w.Default, CanEdit: w.CanEdit,
		Owner: strings.ToLower(w.Owner.Address), OwnerName: w.Owner.Name, Color: w.Color}
}

// ordered is the list with the default calendar first.
func (f *folders) ordered() []graph.Folder {
	slices.SortStableFunc(f.list, func(a, b graph.Folder) int {
		switch {
		case a.Default == b.Default:
			return 0
		case a.Default:
			return -1
		}
		return 1
	})
	return f.list
}
