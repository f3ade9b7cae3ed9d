module {{part}}

go 1.19
{{driver}}