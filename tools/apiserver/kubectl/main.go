// Command kubectl is the kubectl of the release that go.mod names, for tests.
//
// A program of its own beside the API server: it is started for every command of a test, and what is linked into a
// program is initialized each time.
package main

import (
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubeconfigs may name exec plugins
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
