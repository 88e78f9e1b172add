package e2e

import (
	"context"
	"regexp"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/calbridge/calbridge/infra"
)

// listed holds the tables that a run has made against the list of which the deployment
// makes them: a table of another name would come into being in Azure without anybody
// having said so, and no copy or restore would know of it.
func listed(t testing.TB, connection string) {
	t.Helper()
	list, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := aztables.NewServiceClientFromConnectionString(connection, nil)
	if err != nil {
		t.Fatal(err)
	}
	ledger := regexp.MustCompile("^" + list.Ledger + `\d{6}$`)
	found := 0
	for pages := client.NewListTablesPager(nil); pages.More(); {
		page, err := pages.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range page.Tables {
			if found++; !slices.Contains(list.Tables, *table.Name) && !ledger.MatchString(*table.Name) {
				t.Errorf("the program made the table %s, which infra/resources.json does not list", *table.Name)
			}
		}
	}
	if found == 0 {
		t.Error("the run has made no table at all")
	}
}
