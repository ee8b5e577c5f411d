module cmwq-benches

go 1.19
