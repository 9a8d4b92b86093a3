// Package registry has the one sentence that cert-manager takes from the API server's storage layer; with the real
// package, that whole layer would be compiled for it.
package registry

const OptimisticLockErrorMsg = "the object has been modified; please apply your changes to the latest version and try again"
