package tables_test

import (
	"testing"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/state/statetest"
)

func TestTheTwinKeepsTheContract(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Tables { return tables.NewStore(nil).Direct() })
}

func TestTheAdapterKeepsTheContractOverOurServer(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Tables {
		_, a := start(t, nil)
		return a
	})
}

func TestTheAdapterFollowsShortAndEmptyPages(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Tables {
		_, a := start(t, &tables.Options{PageSize: 3, EmptyPages: true})
		return a
	})
}

func TestRowsOfPeopleKeepTheirRulesInTheTwin(t *testing.T) {
	statetest.RunRows(t, func(t *testing.T) state.Tables { return tables.NewStore(nil).Direct() })
}

func TestRowsOfPeopleKeepTheirRulesOverOurServer(t *testing.T) {
	statetest.RunRows(t, func(t *testing.T) state.Tables {
		_, a := start(t, nil)
		return a
	})
}

// start runs a server of an empty store and connects to it.
func start(t testing.TB, options *tables.Options) (*tables.Server, *state.Azure) {
	t.Helper()
	server, err := tables.Start(tables.NewStore(nil), "127.0.0.1:0", options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, connect(t, server.ConnectionString(), nil)
}

func connect(t testing.TB, connection string, options *state.Options) *state.Azure {
	t.Helper()
	a, err := state.NewAzure(connection, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}
