// Command controlplane is a whole Kubernetes API for tests in one program: etcd when it is called "etcd",
// kube-apiserver when it is called "kube-apiserver".
//
// The names are those that the KUBEBUILDER_ASSETS convention expects, so a directory with two links to this program is
// what every test suite of the field already knows how to start. One program instead of two, because the API server
// links most of etcd anyway. Nothing is changed in either: both run their own command line.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	name := filepath.Base(os.Args[0])
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	default:
		fmt.Fprintf(os.Stderr, "%s: call this program by the name etcd or kube-apiserver\n", name)
		os.Exit(2)
	}
}
